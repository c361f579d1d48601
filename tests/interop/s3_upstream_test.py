#!/usr/bin/python3
"""Litestream's own VFS and we, on one bucket: each reads what the other wrote there."""

import json
import os
import sys

import s3_servers
import support
from s3_test import S3Case
from upstream_test import READ


class UpstreamCase(S3Case):
    WRITE = {"LITESTREAM_WRITE_ENABLED": "true", "LITESTREAM_SYNC_INTERVAL": "10s"}

    def setUp(self):
        super().setUp()
        # Upstream sends checksum trailers unless it knows better: our strict server refuses them.
        self.start(s3_servers.moto())

    def upstream(self, statements, **settings):
        """Runs SQL through upstream's VFS in a process of its own; the rows of each statement."""
        info = self.bucket.info
        url = "%s?endpoint=%s&region=%s&force-path-style=true" % (
            self.url, info["url"], info["region"])
        environment = support.clean_environment(
            LITESTREAM_REPLICA_URL=url, LITESTREAM_LOG_LEVEL="error",
            LITESTREAM_LOG_FILE=self.path("upstream.log"),
            LITESTREAM_BUFFER_PATH=self.path("upstream-buffer"),
            AWS_ACCESS_KEY_ID=info["access_key"], AWS_SECRET_ACCESS_KEY=info["secret_key"],
            **settings)
        command = [sys.executable, "-c", READ, support.UPSTREAM, json.dumps(statements)]
        status, out, errors = support.run(command, environment=environment, folder=self.folder)
        self.assertEqual(status, 0, errors)
        return json.loads(out)

    def hydrated(self):
        path = self.path("hydrated.db")
        self.upstream(["SELECT count(*) FROM t"], LITESTREAM_HYDRATION_ENABLED="true",
                      LITESTREAM_HYDRATION_PATH=path)
        return path


class UpstreamReadsOurs(UpstreamCase):
    def setUp(self):
        super().setUp()
        script = "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);\nCREATE INDEX i ON t(v);\n"
        for i in range(6):
            script += ("INSERT INTO t(v) SELECT hex(randomblob(50)) FROM t"
                       " UNION ALL SELECT 'row %d';\nSELECT litestream_sync();\n" % i)
        self.newest = self.replicate(script)[-1]

    def test_integrity_rows_and_position(self):
        integrity, rows, txid = self.upstream(
            ["PRAGMA integrity_check", "SELECT id, v FROM t ORDER BY id", "PRAGMA litestream_txid"])
        self.assertEqual(integrity, [["ok"]])
        expected = support.shell("SELECT json_array(id, v) FROM t ORDER BY id;\n", self.database)[1]
        self.assertEqual(rows, [json.loads(line) for line in expected.splitlines()])
        self.assertGreater(len(rows), 50)
        self.assertEqual(txid, [[self.newest]])

    def test_materialises_the_very_bytes(self):
        self.assert_same_bytes(self.hydrated(), self.reference())


class WeReadUpstream(UpstreamCase):
    def setUp(self):
        super().setUp()
        self.upstream(["CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)"], **self.WRITE)
        for i in range(3):
            self.upstream(["INSERT INTO t(v) VALUES('upstream %d')" % i], **self.WRITE)

    def test_listed_and_restored_to_upstreams_bytes(self):
        rows = self.shell_ok("SELECT level, min_txid, max_txid FROM litestream_ltx"
                             " WHERE database = '%s' ORDER BY min_txid;\n" % self.url)
        self.assertEqual(rows, ["0|%016x|%016x" % (i, i) for i in range(1, 5)])
        restored = self.restore_ok()
        self.assert_same_bytes(restored, self.hydrated())
        self.assert_integrity(restored)

    def test_continued_and_handed_back(self):
        os.rename(self.restore_ok(), self.database)
        newest = self.replicate("INSERT INTO t(v) VALUES('ours');\nSELECT litestream_sync();\n")[-1]
        self.assertGreater(int(newest, 16), 4)
        rows, = self.upstream(["SELECT v FROM t ORDER BY id"])
        self.assertEqual(rows, [["upstream 0"], ["upstream 1"], ["upstream 2"], ["ours"]])


if __name__ == "__main__":
    support.main()
