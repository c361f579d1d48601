#!/usr/bin/python3
"""Litestream's own VFS extension on our replicas, and ours on what it wrote."""

import json
import os
import sys
import textwrap

import ltx
import support

READ = textwrap.dedent("""\
    import json, os, sqlite3, sys, time
    loader = sqlite3.connect(":memory:")
    loader.enable_load_extension(True)
    loader.load_extension(sys.argv[1])
    connection = sqlite3.connect("file:upstream.db?vfs=litestream", uri=True, isolation_level=None)
    results = [connection.execute(sql).fetchall() for sql in json.loads(sys.argv[2])]
    deadline = time.monotonic() + 20
    while os.environ.get("LITESTREAM_HYDRATION_ENABLED") and time.monotonic() < deadline:
        progress = connection.execute("PRAGMA litestream_hydration_progress").fetchone()
        if float(progress[0]) >= 100:
            break
        time.sleep(0.05)
    connection.close()
    print(json.dumps(results))
    """)


class UpstreamCase(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        self.replica = self.path("replica")
        self.url = "file://" + self.replica

    def upstream(self, statements, **settings):
        """Runs SQL through upstream's VFS in a process of its own; the rows of each statement."""
        environment = support.clean_environment(
            LITESTREAM_REPLICA_URL=self.url, LITESTREAM_LOG_LEVEL="error",
            LITESTREAM_LOG_FILE=self.path("upstream.log"),
            LITESTREAM_BUFFER_PATH=self.path("upstream-buffer"), **settings)
        command = [sys.executable, "-c", READ, support.UPSTREAM, json.dumps(statements)]
        status, out, errors = support.run(command, environment=environment, folder=self.folder)
        self.assertEqual(status, 0, errors)
        return json.loads(out)

    def ours(self, script, database=None):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        status, out, errors = support.shell(load + script, database or self.database)
        self.assertEqual((status, errors), (0, ""), out)
        return out.splitlines()

    def replicate(self, script, database=None):
        start = "SELECT litestream_replicate('%s');\n" % self.url
        return self.ours(start + script, database)[1:]

    def assert_our_restore_equals(self, reference):
        restored = self.path("restored.db")
        self.ours("SELECT litestream_restore('%s', '%s');\n" % (self.url, restored), ":memory:")
        self.assert_same_bytes(restored, reference)
        self.assert_integrity(restored)
        os.remove(restored)


class UpstreamReadsOurs(UpstreamCase):
    def setUp(self):
        super().setUp()
        script = "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);\nCREATE INDEX i ON t(v);\n"
        for i in range(10):
            script += ("INSERT INTO t(v) SELECT hex(randomblob(50)) FROM t"
                       " UNION ALL SELECT 'row %d';\nSELECT litestream_sync();\n" % i)
        self.newest = self.replicate(script)[-1]

    def rows(self, database):
        out = support.shell("SELECT id, v FROM t ORDER BY id;\n", database)[1]
        return [[int(line.split("|")[0]), line.split("|")[1]] for line in out.splitlines()]

    def test_integrity_and_rows(self):
        integrity, rows, txid = self.upstream(
            ["PRAGMA integrity_check", "SELECT id, v FROM t ORDER BY id", "PRAGMA litestream_txid"])
        self.assertEqual(integrity, [["ok"]])
        self.assertEqual(rows, self.rows(self.database))
        self.assertEqual(txid, [[self.newest]])

    def test_materialises_the_very_bytes(self):
        hydrated = self.path("hydrated.db")
        self.upstream(["SELECT count(*) FROM t"], LITESTREAM_HYDRATION_ENABLED="true",
                      LITESTREAM_HYDRATION_PATH=hydrated)
        reference = support.checkpointed_copy(self.database, self.path("reference.db"))
        self.assert_same_bytes(hydrated, reference)

    def test_after_a_shrink_too(self):
        self.replicate("DELETE FROM t WHERE id > 5;\nVACUUM;\n")
        hydrated = self.path("hydrated.db")
        self.upstream(["SELECT count(*) FROM t"], LITESTREAM_HYDRATION_ENABLED="true",
                      LITESTREAM_HYDRATION_PATH=hydrated)
        reference = support.checkpointed_copy(self.database, self.path("reference.db"))
        self.assert_same_bytes(hydrated, reference)

    def test_from_a_later_snapshot(self):
        self.replicate("SELECT litestream_snapshot();\n"
                       "INSERT INTO t(v) VALUES('after the snapshot');\n")
        snapshots = ltx.list_files(self.replica, levels=[9])
        self.assertGreaterEqual(snapshots[-1][2], int(self.newest, 16))
        integrity, rows = self.upstream(
            ["PRAGMA integrity_check", "SELECT id, v FROM t ORDER BY id"])
        self.assertEqual(integrity, [["ok"]])
        self.assertEqual(rows, self.rows(self.database))


class WeReadUpstream(UpstreamCase):
    def setUp(self):
        super().setUp()
        self.upstream(["CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)"], **self.WRITE)
        for i in range(3):
            self.upstream(["INSERT INTO t(v) VALUES('upstream %d')" % i], **self.WRITE)

    WRITE = {"LITESTREAM_WRITE_ENABLED": "true", "LITESTREAM_SYNC_INTERVAL": "10s"}

    def hydrated(self):
        path = self.path("hydrated.db")
        self.upstream(["SELECT count(*) FROM t"], LITESTREAM_HYDRATION_ENABLED="true",
                      LITESTREAM_HYDRATION_PATH=path)
        return path

    def test_listed(self):
        rows = self.ours("SELECT level, min_txid, max_txid, size FROM litestream_ltx"
                         " WHERE database = '%s' ORDER BY level, min_txid;\n" % self.url,
                         ":memory:")
        expected = ["%d|%016x|%016x|%d" % (f[0], f[1], f[2], os.path.getsize(f[3]))
                    for f in ltx.list_files(self.replica)]
        self.assertEqual(rows, expected)
        self.assertEqual(len(rows), 4)

    def test_restored_to_upstreams_bytes(self):
        self.assert_our_restore_equals(self.hydrated())

    def test_continued_and_handed_back(self):
        newest_of_upstream = max(f[2] for f in ltx.list_files(self.replica))
        self.ours("SELECT litestream_restore('%s', '%s');\n" % (self.url, self.database),
                  ":memory:")
        txids = self.replicate("INSERT INTO t(v) VALUES('ours');\nSELECT litestream_sync();\n")
        self.assertGreater(int(txids[-1], 16), newest_of_upstream)
        reference = support.checkpointed_copy(self.database, self.path("reference.db"))
        self.assert_our_restore_equals(reference)
        integrity, rows = self.upstream(["PRAGMA integrity_check", "SELECT v FROM t ORDER BY id"])
        self.assertEqual(integrity, [["ok"]])
        self.assertEqual(rows, [["upstream 0"], ["upstream 1"], ["upstream 2"], ["ours"]])
        self.upstream(["INSERT INTO t(v) VALUES('upstream again')"], **self.WRITE)
        self.assert_our_restore_equals(self.hydrated())


if __name__ == "__main__":
    support.main()
