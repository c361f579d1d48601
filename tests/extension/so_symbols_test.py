#!/usr/bin/python3
"""What litestream_ext.so shows to and wants from a process: one symbol out, few libraries in.

    so_symbols_test.py <litestream_ext.so>
"""

import re
import subprocess
import sys

ENTRY_POINT = "sqlite3_litestreamext_init"
# C and C++ runtime, and the libraries that ext/README.md names. Nothing else may be needed.
LIBRARIES = re.compile(r"^(lib(c|m|gcc_s|stdc\+\+|yaml-cpp|nettle|hogweed|gmp)\.so\.[0-9.]+"
                       r"|ld-linux-[a-z0-9-]+\.so\.[0-9]+)$")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(path, *flags):
    names = set()
    for line in output("nm", "-D", *flags, path).splitlines():
        fields = line.split()
        if fields and fields[-2] not in ("w", "v"):
            names.add(fields[-1].split("@")[0])
    return names


def faults(path):
    found = []
    exported = symbols(path, "--defined-only")
    if exported != {ENTRY_POINT}:
        found.append("exports %s" % sorted(exported))
    undefined = symbols(path, "--undefined-only")
    found += ["wants %s from the host" % name for name in sorted(undefined)
              if name.startswith("sqlite3")]
    if not undefined:
        found.append("wants nothing at all: nm shows no undefined symbol")
    dynamic = output("readelf", "-d", "-W", path)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    found += ["needs the library %s" % name for name in needed if not LIBRARIES.match(name)]
    for entry in ("RPATH", "RUNPATH", "TEXTREL"):
        if "(%s)" % entry in dynamic:
            found.append("has a %s" % entry)
    stack = re.search(r"GNU_STACK.*", output("readelf", "-l", "-W", path))
    if not stack or "RWE" in stack[0]:
        found.append("wants an executable stack")
    return found


def main():
    # The check must be able to fail: the shell's SQLite library exports far more than one symbol.
    library = next(line.split("=>")[1].split()[0] for line in output("ldd", sys.argv[2]).splitlines()
                   if "libsqlite3" in line)
    if not any(fault.startswith("exports") for fault in faults(library)):
        print("the check does not see the symbols of", library)
        return 1
    found = faults(sys.argv[1])
    for fault in found:
        print(fault)
    print("%d faults" % len(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
