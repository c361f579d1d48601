#!/usr/bin/python3
"""Two SQLite libraries in one process: Python's own, and a copy of the library under another name.

The extension calls SQLite through one table of addresses. Loaded by a second library it must not
give the connections of the first to the second, nor the reverse.
"""

import os
import shutil
import sqlite3
import sys
import textwrap

import ltx
import support


def library_file():
    """The file behind libsqlite3.so.0, as the loader of this process found it."""
    sqlite3.connect(":memory:").close()
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            if "libsqlite3.so" in line:
                return os.path.realpath(line.split()[-1])
    raise AssertionError("libsqlite3.so is not loaded")


SCRIPT = textwrap.dedent("""\
    import ctypes, sqlite3, sys
    library, extension, database, url, other, first = sys.argv[1:]
    second = ctypes.CDLL(library)
    second.sqlite3_errmsg.restype = ctypes.c_char_p

    def load_into_second():
        db, error = ctypes.c_void_p(), ctypes.c_char_p()
        assert second.sqlite3_open(other.encode(), ctypes.byref(db)) == 0
        second.sqlite3_enable_load_extension(db, 1)
        code = second.sqlite3_load_extension(db, extension.encode(), None, ctypes.byref(error))
        # Its connection works in any case.
        for sql in (b"CREATE TABLE IF NOT EXISTS u(a)", b"INSERT INTO u VALUES(1)"):
            assert second.sqlite3_exec(db, sql, None, None, None) == 0, second.sqlite3_errmsg(db)
        return code, error.value, db

    def load_into_python():
        connection = sqlite3.connect(database, isolation_level=None)
        connection.enable_load_extension(True)
        connection.load_extension(extension)
        return connection

    assert second.sqlite3_libversion_number() >= 3034000
    if first == "second":
        assert load_into_second()[0] == 0
        try:
            load_into_python()
        except sqlite3.OperationalError as error:
            print(error)
        sqlite3.connect(database).execute("SELECT 1")
    else:
        connection = load_into_python()
        connection.execute("SELECT litestream_replicate(?)", (url,)).fetchall()
        connection.execute("CREATE TABLE t(v)")
        code, error, db = load_into_second()
        assert code != 0
        print(error.decode())
        connection.execute("INSERT INTO t VALUES('after')")
        # Later connections of either library, too.
        sqlite3.connect(database).execute("SELECT litestream_version()")
        load_into_second()
        connection.execute("SELECT litestream_sync()").fetchall()
        connection.close()
    """)


class TwoLibraries(support.Case):
    def run_script(self, first):
        library = self.path("libother.so")
        shutil.copyfile(library_file(), library)
        arguments = [library, support.EXTENSION, self.path("app.db"),
                     "file://" + self.path("replica"), self.path("other.db"), first]
        return support.run([sys.executable, "-c", SCRIPT, *arguments])

    def assert_refused(self, first):
        status, out, errors = self.run_script(first)
        self.assertEqual((status, errors), (0, ""), out)
        self.assertIn("another SQLite library of this process", out)

    def test_the_second_library_is_refused_and_the_first_goes_on(self):
        self.assert_refused("python")
        reference = support.checkpointed_copy(self.path("app.db"), self.path("reference.db"))
        self.assertEqual(ltx.restore(self.path("replica")), support.read_bytes(reference))

    def test_whoever_comes_first(self):
        self.assert_refused("second")


if __name__ == "__main__":
    support.main()
