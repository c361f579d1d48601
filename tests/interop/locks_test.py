#!/usr/bin/python3
"""The host's POSIX locks survive everything we do.

Closing any descriptor of a file drops all POSIX locks that the process holds on it. So while every
function and table runs in this process, beside an application connection in the middle of a read,
the kernel's lock table must go on showing at least the application's locks.
"""

import http.server
import os
import sqlite3
import subprocess
import sys
import threading
import time

import support


def held_bytes(inode):
    """{byte: READ or WRITE} of what this process holds on the file, by POSIX lock."""
    held = {}
    with open("/proc/locks") as table:
        for line in table:
            fields = line.split()
            if fields[1] != "POSIX" or "->" in fields[1] or int(fields[4]) != os.getpid():
                continue
            if int(fields[5].split(":")[-1]) != inode:
                continue
            # The shared range of the database file is 510 bytes; its first stands for it.
            for byte in range(int(fields[6]), min(int(fields[7]), int(fields[6]) + 10) + 1):
                held[byte] = fields[3]
    return held


class Watcher(threading.Thread):
    """Compares again and again; `lost` is what was seen missing."""

    def __init__(self, files):
        super().__init__(daemon=True)
        self.baseline = {path: held_bytes(os.stat(path).st_ino) for path in files}
        self.inodes = {path: os.stat(path).st_ino for path in files}
        self.lost, self.rounds, self.ending = [], 0, threading.Event()

    def run(self):
        while not self.ending.is_set():
            self.check("while running")

    def check(self, when):
        self.rounds += 1
        for path, baseline in self.baseline.items():
            missing = sorted(set(baseline) - set(held_bytes(self.inodes[path])))
            if missing:
                self.lost.append("%s: %s: bytes %s" % (when, os.path.basename(path), missing))
        time.sleep(0.0005)


class Heartbeat(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Locks(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        self.replica = self.path("replica")
        self.url = "file://" + self.replica
        setup = sqlite3.connect(self.database, isolation_level=None)
        setup.execute("PRAGMA journal_mode=WAL")
        setup.execute("CREATE TABLE t(v)")
        setup.execute("INSERT INTO t VALUES(randomblob(100000))")
        setup.close()
        # The application: in the middle of a read, and so holding locks on both files.
        self.application = sqlite3.connect(self.database, isolation_level=None)
        self.application.execute("BEGIN")
        self.application.execute("SELECT count(*) FROM t").fetchall()
        self.addCleanup(self.application.close)
        server = http.server.HTTPServer(("127.0.0.1", 0), Heartbeat)
        self.heartbeat_url = "http://127.0.0.1:%d/" % server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.watcher = Watcher([self.database, self.database + "-shm"])
        for path, held in self.watcher.baseline.items():
            self.assertTrue(held, "no lock to lose on " + path)

    def steps(self):
        """Every way into our code, in an order that makes sense."""
        other, config = self.path("other.db"), self.path("litestream.yml")
        with open(config, "w") as file:
            file.write("dbs:\n  - path: %s\n    replica:\n" % self.database)
            file.write("      url: %s\n" % self.url)
        yield "INSERT INTO t VALUES(1)"
        yield "SELECT litestream_replicate('%s')" % self.url
        for i in range(5):
            yield "INSERT INTO t VALUES(randomblob(20000))"
            yield "SELECT litestream_sync()"
        for table in self.tables:
            key = "path" if table == "litestream_databases" else "database"
            yield "SELECT * FROM %s WHERE %s = '%s'" % (table, key, self.database)
        yield "SELECT litestream_version()"
        yield "SELECT litestream_txid()"
        yield "SELECT litestream_snapshot()"
        yield "SELECT litestream_compact('%s', 1)" % self.database
        yield "SELECT litestream_wait()"
        yield "SELECT litestream_last_error()"
        yield "SELECT litestream_restore('%s', '%s')" % (self.url, other)
        copy = self.path("copy.db")
        yield "SELECT litestream_follow('%s', '%s')" % (self.url, copy)
        yield "SELECT litestream_follow('%s', '%s')" % (self.url, copy)
        yield "SELECT litestream_verify('%s', '{\"live\":true}')" % self.database
        yield "SELECT litestream_cancel(1)"
        yield "SELECT litestream_verify('%s', '{\"deep\":true}')" % self.url
        yield "SELECT litestream_reset('%s')" % self.database
        yield "SELECT litestream_cancel(1)"
        yield "SELECT litestream_heartbeat('%s')" % self.heartbeat_url
        yield "SELECT litestream_enforce_retention('%s')" % self.database
        yield "SELECT litestream_follow('%s', '%s')" % (self.url, self.path("follower.db"))
        yield "SELECT litestream_discover()"
        yield "SELECT litestream_stop_all()"
        yield "SELECT litestream_config('%s')" % config
        third = self.path("third.db")
        yield "SELECT litestream_register('%s', 'file://%s')" % (third, self.path("third"))
        yield "SELECT litestream_unregister('%s')" % third
        yield "SELECT litestream_config_value('mcp-addr')"
        yield "SELECT litestream_start('%s')" % self.database
        yield "INSERT INTO t VALUES(randomblob(20000))"
        yield "SELECT litestream_sync()"
        yield "SELECT litestream_stop()"

    def names(self, connection, query):
        """What of ours SQLite knows by that query: nothing of it may be left out here."""
        return sorted(name for name, in connection.execute(query) if name.startswith("litestream_"))

    def test_locks_never_shrink(self):
        user = sqlite3.connect(self.database, isolation_level=None, timeout=10)
        user.enable_load_extension(True)
        self.watcher.start()
        try:
            user.load_extension(support.EXTENSION)
            self.watcher.check("after load")
            self.tables = self.names(user, "SELECT name FROM pragma_module_list")
            self.assertIn("litestream_ltx", self.tables)
            functions = self.names(user, "SELECT DISTINCT name FROM pragma_function_list")
            called = " ".join(self.steps())
            self.assertEqual([f for f in functions if f + "(" not in called], [])
            for sql in self.steps():
                try:
                    user.execute(sql).fetchall()
                finally:
                    self.watcher.check("after " + sql)
            # Refused onto the live database; looking at it must not cost the locks either.
            with self.assertRaises(sqlite3.Error):
                user.execute("SELECT litestream_restore(?, ?)", (self.url, self.database))
            self.watcher.check("after the refused restore")
            user.close()
            self.watcher.check("after close")
            time.sleep(0.2)
        finally:
            self.watcher.ending.set()
            self.watcher.join()
        self.assertEqual(self.watcher.lost[:5], [])
        self.assertGreater(self.watcher.rounds, 100)

    def test_the_watcher_sees_a_lost_lock(self):
        os.close(os.open(self.database, os.O_RDONLY))
        self.watcher.check("after open and close")
        self.assertTrue(self.watcher.lost)

    def test_another_process_cannot_take_the_write_lock_of_ours(self):
        writer = sqlite3.connect(self.database, isolation_level=None)
        writer.enable_load_extension(True)
        writer.load_extension(support.EXTENSION)
        writer.execute("SELECT litestream_replicate(?)", (self.url,)).fetchall()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES('mine')")
        time.sleep(1.5)
        probe = ("import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=0)\n"
                 "try:\n    c.execute('BEGIN IMMEDIATE')\nexcept sqlite3.OperationalError as e:\n"
                 "    print(e)\n")
        out = subprocess.run([sys.executable, "-c", probe, self.database], capture_output=True,
                             text=True, check=True, timeout=support.TIMEOUT_S).stdout
        self.assertEqual(out, "database is locked\n")
        writer.execute("COMMIT")
        writer.close()


if __name__ == "__main__":
    support.main()
