#!/usr/bin/python3
"""Makes the golden replica with upstream's own VFS extension.

    make_golden.py <folder with node_modules> <output folder>

`replica/` is what upstream wrote; `databases/<txid>.db` is what upstream itself makes of the files
up to that TXID (its hydrated copy). Timestamps differ from run to run, all else is the same. The
files in this folder are its output; a new run is needed only for a new format.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

# The last one shrinks the file (auto_vacuum): upstream cannot go on after that, see the README.
WRITES = [
    ["CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, body BLOB)"],
    ["INSERT INTO item(name, body) SELECT 'item ' || value, zeroblob(100) FROM"
     " (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s LIMIT 20)"
     "  SELECT value FROM s)"],
    ["CREATE INDEX item_name ON item(name)", "UPDATE item SET name = upper(name) WHERE id % 3 = 0"],
    ["INSERT INTO item(name, body) VALUES('large', zeroblob(6000))"],
    ["DELETE FROM item WHERE id > 10"],
]


def connect(extension, name):
    """A connection through upstream's VFS; loading registers it for the process."""
    loader = sqlite3.connect(":memory:")
    loader.enable_load_extension(True)
    loader.load_extension(extension)
    loader.close()
    return sqlite3.connect("file:%s?vfs=litestream" % name, uri=True, isolation_level=None)


def write(extension, replica, step):
    connection = connect(extension, "golden.db")
    if step == 0:
        connection.execute("PRAGMA auto_vacuum = FULL")
    for statement in WRITES[step]:
        connection.execute(statement)
    connection.close()


def hydrate(extension, target):
    connection = connect(extension, "golden.db")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
    deadline = time.monotonic() + 20
    # After a transaction that shrinks the database upstream reports more than 100 percent.
    while float(connection.execute("PRAGMA litestream_hydration_progress").fetchone()[0]) < 100:
        if time.monotonic() > deadline:
            raise SystemExit("upstream did not hydrate")
        time.sleep(0.05)
    connection.close()
    shutil.copyfile(os.environ["LITESTREAM_HYDRATION_PATH"], target)


def run_step(replica, extra, *arguments):
    """One step in its own process: upstream reads the environment when it is loaded."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LITESTREAM_", "AWS_"))}
    environment.update({"LITESTREAM_REPLICA_URL": "file://" + replica, "LITESTREAM_LOG_LEVEL": "error"})
    environment.update(extra)
    subprocess.run([sys.executable, os.path.abspath(__file__), *arguments], env=environment, check=True)


def main(modules, output):
    extension = os.path.join(modules, "node_modules/litestream-vfs-linux-amd64/litestream-vfs.so")
    work = tempfile.mkdtemp()
    replica = os.path.join(output, "replica")
    databases = os.path.join(output, "databases")
    for folder in (replica, databases):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    level = os.path.join(replica, "ltx", "0")
    for step in range(len(WRITES)):
        write_settings = {"LITESTREAM_WRITE_ENABLED": "true", "LITESTREAM_SYNC_INTERVAL": "10s",
                          "LITESTREAM_BUFFER_PATH": os.path.join(work, "buffer")}
        run_step(replica, write_settings, "--write", extension, replica, str(step))
        newest = sorted(os.listdir(level))[-1]
        read_settings = {"LITESTREAM_HYDRATION_ENABLED": "true",
                         "LITESTREAM_HYDRATION_PATH": os.path.join(work, "hydrated%d" % step)}
        target = os.path.join(databases, newest[:16] + ".db")
        run_step(replica, read_settings, "--hydrate", extension, target)
    shutil.rmtree(work)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if sys.argv[1] == "--write":
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1] == "--hydrate":
        hydrate(sys.argv[2], sys.argv[3])
    else:
        main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
