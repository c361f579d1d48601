"""Counts instructions with valgrind and compares them with the table in bench/README.md.

Instructions, not seconds: they come out the same on a busy machine. A count that grew by more than
a tenth fails; if the growth is wanted, write the new number into the table. With --print the counts
are only shown.

    instructions_test.py <instruction_work> <bench/README.md> [--print]
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

GROWTH_MAX = 1.10


def count(work, arguments, main_thread_only):
    """Instructions of one run: of its first thread, or of all."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        subprocess.run(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes",
             f"--callgrind-out-file={out}", work, *arguments],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300)
        files = [out + "-01"] if main_thread_only else glob.glob(out + "-*")
        total = 0
        for file in files:
            with open(file, encoding="utf-8", errors="replace") as lines:
                found = re.findall(r"^totals: (\d+)$", lines.read(), re.MULTILINE)
            assert found, f"{file} has no totals"
            total += sum(int(number) for number in found)
        return total


def for_each(work, mode, few, many, folders, units=1):
    """Instructions for one of whatever `mode` does `few` and `many` times."""
    counts = []
    for times in (few, many):
        arguments = [mode, str(times)]
        if folders is not None:
            arguments.append(folders())
        counts.append(count(work, arguments, mode in ("plain", "commit")))
    return (counts[1] - counts[0]) / (many - few) / units


def measure(work):
    with tempfile.TemporaryDirectory() as place:

        def new_folder():
            return tempfile.mkdtemp(dir=place)

        replica = new_folder()
        made = subprocess.run([work, "restore", "1", replica], check=True, stdout=subprocess.PIPE)
        pages = int(made.stdout)
        return {
            "one commit, plain SQLite": for_each(work, "plain", 50, 550, new_folder),
            "one commit, extension loaded and replicating":
                for_each(work, "commit", 50, 550, new_folder),
            "one captured page": for_each(work, "capture", 1, 3, None, pages),
            "one restored page": for_each(work, "restore", 1, 3, lambda: replica, pages),
        }


def listed(readme):
    """The rows `| <what> | <number> | ...` of the table."""
    with open(readme, encoding="utf-8") as lines:
        rows = re.findall(r"^\| ([^|]+?) \| ([\d ]+) \|", lines.read(), re.MULTILINE)
    return {what: int(number.replace(" ", "")) for what, number in rows}


def main():
    work, readme = sys.argv[1:3]
    wanted = listed(readme)
    grown = []
    for what, instructions in measure(work).items():
        print(f"{what}: {instructions:.0f} instructions, {wanted.get(what)} in the table")
        if what not in wanted:
            grown.append(f"{what}: not in {readme}")
        elif instructions > wanted[what] * GROWTH_MAX:
            grown.append(f"{what}: {instructions:.0f} instructions, more than a tenth above "
                         f"{wanted[what]}; make it cheaper or write the new count into {readme}")
    if grown and "--print" not in sys.argv:
        sys.exit("\n".join(grown))


if __name__ == "__main__":
    main()
