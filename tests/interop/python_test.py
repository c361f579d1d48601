#!/usr/bin/python3
"""Python's own sqlite3 module as the host: threads, several connections, fork, ways to end."""

import os
import sqlite3
import sys
import textwrap
import threading

import ltx
import support


def connect(path, load=False):
    connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
    if load:
        connection.enable_load_extension(True)
        connection.load_extension(support.EXTENSION)
        connection.enable_load_extension(False)
    return connection


class InProcess(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        self.replica = self.path("replica")
        self.connection = connect(self.database, load=True)
        self.addCleanup(self.connection.close)
        url = self.value("SELECT litestream_replicate(?)", "file://" + self.replica)
        self.assertEqual(url, "file://" + self.replica)
        self.connection.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, who TEXT, v BLOB)")

    def value(self, sql, *arguments):
        return self.connection.execute(sql, arguments).fetchone()[0]

    def assert_restores_to_current(self):
        self.value("SELECT litestream_sync()")
        reference = support.checkpointed_copy(self.database, self.path("reference.db"))
        restored = self.path("restored.db")
        if os.path.exists(restored):
            os.remove(restored)
        self.value("SELECT litestream_restore(?, ?)", self.database, restored)
        self.assert_same_bytes(restored, reference)
        self.assertEqual(ltx.restore(self.replica), support.read_bytes(reference))

    def test_two_threads_two_connections(self):
        def write(who):
            own = connect(self.database)
            for _ in range(100):
                own.execute("INSERT INTO t(who, v) VALUES(?, randomblob(500))", (who,))
            own.close()
        threads = [threading.Thread(target=write, args=(who,)) for who in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.value("SELECT count(*) FROM t"), 200)
        self.assert_restores_to_current()

    def test_later_connections_know_the_functions(self):
        other = connect(":memory:")
        version = other.execute("SELECT litestream_version()").fetchone()[0]
        self.assertEqual(version, self.value("SELECT litestream_version()"))
        other.close()

    def test_a_url_can_be_listed_without_any_config(self):
        newest = self.value("SELECT litestream_sync()")
        other = connect(":memory:")
        rows = other.execute("SELECT max(max_txid), min(database) FROM litestream_ltx"
                             " WHERE database = ?", ("file://" + self.replica,)).fetchall()
        self.assertEqual(rows, [(newest, "file://" + self.replica)])
        other.close()

    def test_status_says_what_is_on_the_replica(self):
        newest = self.value("SELECT litestream_sync()")
        cursor = self.connection.execute("SELECT * FROM litestream_status WHERE database = ?",
                                         (self.database,))
        columns = [c[0] for c in cursor.description]
        rows = [dict(zip(columns, row)) for row in cursor]
        self.assertEqual(len(rows), 1)
        self.assertEqual(rows[0]["replica_txid"], newest)
        self.assertEqual(rows[0]["last_error"], None)

    def test_backup_api_onto_the_database(self):
        source = connect(":memory:")
        source.execute("CREATE TABLE other(v)")
        source.executemany("INSERT INTO other VALUES(?)", [(i,) for i in range(1000)])
        source.execute("PRAGMA user_version = 7")
        source.backup(self.connection)
        source.close()
        self.assertEqual(self.value("SELECT count(*) FROM other"), 1000)
        self.assert_restores_to_current()

    def test_shrinking(self):
        self.connection.execute("INSERT INTO t(v) VALUES(zeroblob(400000))")
        self.value("SELECT litestream_sync()")
        self.connection.execute("DELETE FROM t")
        self.connection.execute("VACUUM")
        self.assert_restores_to_current()

    def test_rolled_back_work_is_not_replicated(self):
        before = self.value("SELECT litestream_sync()")
        self.connection.execute("PRAGMA cache_size = 5")
        self.connection.execute("BEGIN")
        for _ in range(50):
            self.connection.execute("INSERT INTO t(v) VALUES(randomblob(4000))")
        self.connection.execute("ROLLBACK")
        self.assertEqual(self.value("SELECT litestream_sync()"), before)
        self.connection.execute("INSERT INTO t(who) VALUES('after')")
        self.assert_restores_to_current()


class Endings(support.Case):
    """However the process ends, what was committed reaches the replica now or at the next start."""

    PROLOGUE = textwrap.dedent("""\
        import os, signal, sqlite3, sys, threading
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.enable_load_extension(True)
        connection.load_extension(sys.argv[3])
        connection.execute("SELECT litestream_replicate(?)", (sys.argv[2],)).fetchall()
        connection.execute("CREATE TABLE IF NOT EXISTS t(v)")
        connection.execute("INSERT INTO t VALUES(randomblob(3000))")
        """)

    def run_host(self, script):
        command = [sys.executable, "-c", self.PROLOGUE + script, self.path("app.db"),
                   "file://" + self.path("replica"), support.EXTENSION]
        return support.run(command)

    def assert_complete(self):
        reference = support.checkpointed_copy(self.path("app.db"), self.path("reference.db"))
        self.assertEqual(ltx.restore(self.path("replica")), support.read_bytes(reference))

    def test_close_and_end(self):
        self.assertEqual(self.run_host("connection.close()\n"), (0, "", ""))
        self.assert_complete()

    def test_end_without_close(self):
        self.assertEqual(self.run_host("pass\n"), (0, "", ""))
        self.assert_complete()

    def test_uncaught_exception(self):
        status, _, errors = self.run_host("raise RuntimeError('host bug')\n")
        self.assertEqual(status, 1)
        self.assertIn("host bug", errors)
        self.assert_complete()

    def test_killed_then_started_again(self):
        status, _, _ = self.run_host("os.kill(os.getpid(), signal.SIGKILL)\n")
        self.assertEqual(status, -9)
        self.assertEqual(self.run_host("connection.close()\n"), (0, "", ""))
        self.assert_complete()

    def test_forked_child_that_idles_and_one_that_writes(self):
        script = textwrap.dedent("""\
            import time
            idle = os.fork()
            if idle == 0:
                time.sleep(0.3)
                os._exit(0)
            writer = os.fork()
            if writer == 0:
                own = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
                for _ in range(20):
                    own.execute("INSERT INTO t VALUES('child')")
                own.close()
                os._exit(0)
            for _ in range(20):
                connection.execute("INSERT INTO t VALUES('parent')")
            for child in (idle, writer):
                assert os.waitpid(child, 0)[1] == 0
            connection.execute("SELECT litestream_sync()").fetchall()
            print(connection.execute("SELECT count(*) FROM t").fetchone()[0])
            connection.close()
            """)
        self.assertEqual(self.run_host(script), (0, "41\n", ""))
        self.assert_complete()


if __name__ == "__main__":
    support.main()
