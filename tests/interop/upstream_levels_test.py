#!/usr/bin/python3
"""Litestream's own VFS on a replica of ours at every stage of compaction and retention: the same rows,
and at any time the same state as our restore to that time."""

import datetime
import os
import sqlite3
import time

import ltx
import support
from upstream_test import UpstreamCase

ROWS = "SELECT id, v FROM t ORDER BY id"
STEP_S = 60  # between two transactions, as the files say


class Stages(UpstreamCase):
    def setUp(self):
        super().setUp()
        self.app = None
        self.addCleanup(self.stop)
        self.rows_at = {}  # TXID: rows
        self.start_s = int(time.time()) - 7200

    def start(self, options):
        self.app = sqlite3.connect(self.database, isolation_level=None)
        self.app.enable_load_extension(True)
        self.app.load_extension(support.EXTENSION)
        self.app.execute("PRAGMA journal_mode=WAL")
        self.app.execute("SELECT litestream_replicate(?, ?)", (self.url, options))

    def stop(self):
        if self.app is not None:
            self.app.execute("SELECT litestream_stop()")
            self.app.close()
            self.app = None

    def commit(self, count):
        for _ in range(count):
            number = len(self.rows_at)
            self.app.execute("BEGIN")
            self.app.execute("INSERT INTO t(v) SELECT ? || hex(zeroblob(300)) FROM t UNION ALL"
                             " SELECT 'new' LIMIT 40", ("row %d " % number,))
            self.app.execute("UPDATE t SET v = ? WHERE id % 7 = ?", ("at %d" % number, number % 7))
            self.app.execute("DELETE FROM t WHERE id % 11 = ?", (number % 11,))
            self.app.execute("COMMIT")
            txid = self.app.execute("SELECT litestream_sync()").fetchone()[0]
            self.rows_at[int(txid, 16)] = [list(row) for row in self.app.execute(ROWS)]

    def call(self, function, *arguments):
        marks = ", ".join("?" for _ in arguments)
        sql = "SELECT %s(%s)" % (function, marks)
        return self.app.execute(sql, arguments).fetchone()[0]

    def levels(self):
        return {level: len(ltx.list_files(self.replica, levels=[level])) for level in range(10)}

    def time_of(self, txid, later_ms):
        when = datetime.datetime.fromtimestamp(self.start_s + txid * STEP_S, datetime.timezone.utc)
        when += datetime.timedelta(milliseconds=later_ms)
        return when.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def age_files(self):
        """Every file gets the time of its last transaction, a minute from the one before."""
        for file in ltx.list_files(self.replica):
            when = self.start_s + file[2] * STEP_S
            os.utime(file[3], (when, when))

    def our_rows(self, when):
        restored = self.path("at.db")
        reader = sqlite3.connect(":memory:")
        try:
            reader.enable_load_extension(True)
            reader.load_extension(support.EXTENSION)
            reader.execute("SELECT litestream_restore(?, ?, json_object('timestamp', ?))",
                           (self.url, restored, when))
        finally:
            reader.close()
        self.assert_integrity(restored)
        reader = sqlite3.connect(restored)
        try:
            return [list(row) for row in reader.execute(ROWS)]
        finally:
            reader.close()
            os.remove(restored)

    def check(self, points_min):
        """Upstream's rows are those of the database; at each point, and between, ours are, too."""
        self.age_files()
        points = [int(line, 16) for line in self.ours(
            "SELECT txid FROM litestream_restore_points WHERE database = '%s' ORDER BY txid;\n"
            % self.url, ":memory:")]
        points = [txid for txid in points if txid in self.rows_at]
        self.assertGreaterEqual(len(points), points_min)
        # At the very instant upstream has the state before it, so a millisecond later.
        times = [(txid, self.time_of(txid, later)) for txid in points for later in (1, 25000)]
        statements = [ROWS, "PRAGMA integrity_check"]
        for _, when in times:
            statements += ["SELECT litestream_set_time('%s')" % when, ROWS]
        statements += ["SELECT litestream_set_time('LATEST')", ROWS]
        answers = self.upstream(statements)
        newest = self.rows_at[max(self.rows_at)]
        self.assertEqual(answers[0], newest)
        self.assertEqual(answers[1], [["ok"]])
        self.assertEqual(answers[-1], newest)
        for number, (txid, when) in enumerate(times):
            expected = self.rows_at[txid]
            self.assertEqual(answers[3 + 2 * number], expected, "upstream at %s" % when)
            self.assertEqual(self.our_rows(when), expected, "ours at %s" % when)
        return points

    def wait_for(self, is_done):
        """Until retention has done what it can, so that the stage stays as it is."""
        deadline = time.monotonic() + 30
        before = None
        while True:
            self.call("litestream_enforce_retention", self.database)
            count = self.levels()
            if is_done(count) and count == before:
                return
            self.assertLess(time.monotonic(), deadline, count)
            before = count
            time.sleep(0.05)

    def test_every_stage(self):
        # Levels that wait for us, not for a clock.
        levels = '"levels":[{"interval":"600h"},{"interval":"700h"}]'
        keep = '"l0-retention":"0s","snapshot":{"interval":"0s","retention":"2h"}'
        self.start("{%s,%s}" % (levels, keep))
        self.app.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
        self.app.execute("INSERT INTO t(v) VALUES('first')")
        self.call("litestream_sync")
        self.commit(4)
        self.check(4)
        for level in (1, 1, 2):
            self.call("litestream_compact", self.database, level)
            self.check(len(self.rows_at))
            self.commit(3)
            self.check(len(self.rows_at))
        self.call("litestream_compact", self.database, 1)
        self.assertEqual(self.levels()[2], 1)
        self.assertGreaterEqual(self.levels()[1], 3)
        self.call("litestream_snapshot")
        self.assertGreaterEqual(self.levels()[9], 1)
        self.check(len(self.rows_at))
        self.commit(2)
        everything = self.check(len(self.rows_at))
        # Level 0 expires, points between the files of level 1 with it.
        self.stop()
        self.start('{%s,"l0-retention":"1ms","l0-retention-check-interval":"1s",'
                   '"snapshot":{"interval":"0s","retention":"2h"}}' % levels)
        self.call("litestream_compact", self.database, 1)
        self.wait_for(lambda count: count[0] == 1)
        expired = self.check(4)
        self.assertLess(len(expired), len(everything))
        self.commit(2)
        self.check(5)
        # What came before the last snapshot goes, by the minutes that the files tell.
        self.call("litestream_snapshot")
        self.commit(4)
        self.call("litestream_compact", self.database, 1)
        self.age_files()
        self.stop()
        before = ltx.list_files(self.replica, levels=[1])
        self.start('{%s,"l0-retention":"1ms","l0-retention-check-interval":"1s",'
                   '"snapshot":{"interval":"0s","retention":"1m"}}' % levels)
        self.wait_for(lambda count: count[0] == count[9] == 1 and count[1] < len(before))
        self.assertGreaterEqual(len(self.check(2)), 2)
        self.commit(1)
        self.check(3)


if __name__ == "__main__":
    support.main()
