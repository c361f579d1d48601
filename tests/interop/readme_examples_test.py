"""Runs every `sql` block of sql/README.md, in order, in one sqlite3 shell in an empty folder."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

EXTENSION = pathlib.Path(os.environ['LITESTREAM_EXT'])
README = pathlib.Path(__file__).resolve().parents[2] / 'sql' / 'README.md'


def main():
    blocks = re.findall(r'^```sql\n(.*?)^```', README.read_text(), re.S | re.M)
    if len(blocks) < 4:
        sys.exit('sql/README.md lost its examples')
    script = '.bail on\n' + ''.join(blocks)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(EXTENSION, folder)
        done = subprocess.run(['sqlite3', '-batch'], input=script, text=True, cwd=folder,
                              capture_output=True, timeout=120)
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    lines = done.stdout.splitlines()
    # The answers that matter: the status, the deep verification, and the restored rows.
    wanted = ['ok|1|0', '2']
    if done.returncode != 0 or any(line not in lines for line in wanted):
        sys.exit(f'the examples failed: status {done.returncode}, wanted lines {wanted}')
    if not any(line.startswith('{"ok":true,') for line in lines):
        sys.exit('the deep verification did not succeed')


main()
