#!/usr/bin/python3
"""The program's restore, verify, plan and restore-points, and what Litestream 0.3 left behind."""

import datetime
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import time

import support
import v3_backup


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


class RestoreCase(support.Case):
    def setUp(self):
        super().setUp()
        self.replica = self.path("replica")
        self.url = "file://" + self.replica

    def program(self, *arguments):
        return support.run([support.PROGRAM, *arguments], folder=self.folder)

    def program_ok(self, *arguments):
        status, out, errors = self.program(*arguments)
        self.assertEqual((status, errors), (0, ""), out)
        return out

    def replicated(self):
        """A connection that replicates; the table t counts its commits."""
        app = sqlite3.connect(self.path("app.db"), isolation_level=None)
        self.addCleanup(app.close)
        app.enable_load_extension(True)
        app.load_extension(support.EXTENSION)
        app.execute("PRAGMA journal_mode=WAL")
        app.execute("CREATE TABLE t(n)")
        app.execute("SELECT litestream_replicate(?, '{\"sync-interval\":\"20ms\"}')", (self.url,))
        return app

    def commit(self, app, count=1, blob=50):
        for _ in range(count):
            app.execute("INSERT INTO t SELECT randomblob(?)", (blob,))
        return app.execute("SELECT litestream_sync()").fetchone()[0]

    def count(self, path):
        connection = sqlite3.connect(path)
        try:
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            return connection.execute("SELECT count(*) FROM t").fetchone()[0]
        finally:
            connection.close()


class Restore(RestoreCase):
    def test_dry_run_plan_points_and_restore_agree(self):
        app = self.replicated()
        txids = [self.commit(app) for _ in range(4)]
        points = json.loads(self.program_ok("restore-points", "-json", self.url))
        self.assertEqual([point["txid"] for point in points][:4], txids[::-1])
        for number, txid in enumerate(txids, 1):
            at = next(point["created_at"] for point in points if point["txid"] == txid)
            for flags in (["-txid", txid], ["-timestamp", at]):
                output = self.path("out-%s%s.db" % (number, flags[0]))
                plan = json.loads(self.program_ok("restore", "-dry-run", "-json", "-o", output,
                                                  *flags, self.url))
                self.assertEqual(sorted(plan), ["files", "max_txid", "min_txid", "replica",
                                                "source", "target_path"])
                self.assertEqual(sorted(plan["files"][0]),
                                 ["level", "max_txid", "min_txid", "name", "size", "timestamp"])
                self.assertEqual((plan["max_txid"], plan["replica"]), (txid, "file"))
                self.assertFalse(os.path.exists(output))
                rows = json.loads(self.program_ok("plan", "-json", *flags, self.url))
                self.assertEqual([row["max_txid"] for row in rows],
                                 [file["max_txid"] for file in plan["files"]])
                done = json.loads(self.program_ok("restore", "-json", "-o", output,
                                                  "-integrity-check", "full", *flags, self.url))
                self.assertEqual((done["txid"], done["db_path"]), (txid, output))
                self.assertEqual(self.count(output), number)

    def test_force_conditions_and_usage(self):
        app = self.replicated()
        self.commit(app)
        output = self.path("out.db")
        said = self.program_ok("restore", "-o", output, self.url)
        self.assertIn(" at TXID 0000000000000002 (", said)
        status, _, errors = self.program("restore", "-o", output, self.url)
        self.assertEqual(status, 1)
        self.assertIn("exists", errors)
        self.commit(app)
        self.program_ok("restore", "-force", "-parallelism", "2", "-o", output, self.url)
        self.assertEqual(self.count(output), 2)
        status, _, errors = self.program("restore", "-force", "-o", self.path("app.db"), self.url)
        self.assertEqual(status, 1)
        self.assertIn("is a database in use", errors)
        status, _, errors = self.program("restore", "-if-replica-exists", "-o", self.path("x.db"),
                                         "file://" + self.path("nothing"))
        self.assertEqual((status, os.path.exists(self.path("x.db"))), (0, False))
        for flags in (["-parallelism", "0"], ["-parallelism", "x"], ["-f", "-txid", "1"],
                      ["-f", "-dry-run"], ["-follow-interval", "1s"],
                      ["-f", "-follow-interval", "soon"]):
            status, _, errors = self.program("restore", "-o", self.path("y.db"), *flags, self.url)
            self.assertEqual(status, 2, errors)
            self.assertFalse(os.path.exists(self.path("y.db")))

    def test_verify_says_with_its_status_whether_the_backup_is_sound(self):
        app = self.replicated()
        for _ in range(3):
            self.commit(app)
        config = self.path("litestream.yml")
        with open(config, "w") as file:
            file.write("dbs:\n  - path: %s\n    replica:\n      url: %s\n" %
                       (self.path("app.db"), self.url))
        self.assertTrue(self.program_ok("verify", self.url).startswith("ok, "))
        self.assertTrue(self.program_ok("verify", "-deep", self.url).startswith("ok, "))
        # The owner is another process, in the middle of its work.
        answer = json.loads(self.program_ok("verify", "-live", "-json", "-config", config,
                                            self.path("app.db")))
        self.assertEqual((answer["ok"], answer["errors"]), (True, []))
        raw = os.path.join(self.replica, "ltx", "0")
        damaged = os.path.join(raw, sorted(os.listdir(raw))[0])
        with open(damaged, "r+b") as file:
            file.seek(120)
            byte = file.read(1)
            file.seek(120)
            file.write(bytes([byte[0] ^ 1]))
        status, out, errors = self.program("verify", self.url)
        self.assertEqual((status, out.startswith("not ok, ")), (1, True))
        self.assertIn(damaged, errors)
        os.remove(damaged)
        status, out, _ = self.program("verify", "-json", self.url)
        self.assertEqual((status, json.loads(out)["ok"]), (1, False))
        self.assertEqual(self.program("verify", "-live", self.url)[0], 2)

    def test_interrupted_it_leaves_nothing(self):
        app = self.replicated()
        self.commit(app, 6, 20_000_000)
        output = self.path("out.db")
        before = sorted(os.listdir(self.folder))
        for delay_s in (0.0, 0.05, 0.1, 0.15):
            process = subprocess.Popen([support.PROGRAM, "restore", "-integrity-check", "full",
                                        "-o", output, self.url], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            time.sleep(delay_s)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=support.TIMEOUT_S)
            if os.path.exists(output):  # it was faster
                self.assertEqual(self.count(output), 6)
                os.remove(output)
            self.assertEqual(sorted(os.listdir(self.folder)), before)

    def progress_of(self, *arguments):
        """What the program writes to a terminal as its stderr."""
        master, slave = pty.openpty()
        process = subprocess.Popen([support.PROGRAM, *arguments], stderr=slave,
                                   stdout=subprocess.DEVNULL)
        os.close(slave)
        shown = b""
        while process.poll() is None or select.select([master], [], [], 0)[0]:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    shown += os.read(master, 4096)
                except OSError:
                    break
        os.close(master)
        self.assertEqual(process.wait(), 0, shown)
        return shown

    def test_progress_is_shown_on_terminals_only(self):
        app = self.replicated()
        self.commit(app, 1, 1_000_000)
        output = self.path("out.db")
        status, _, errors = self.program("restore", "-o", output, self.url)
        self.assertEqual((status, errors), (0, ""))
        # A fast restore shows nothing on a terminal, either; if it took its time, a line of its own
        # that is wiped out at the end.
        shown = self.progress_of("restore", "-force", "-o", output, self.url)
        if shown:
            self.assertIn(b"restore: ", shown)
            self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)


class Follow(RestoreCase):
    def follower(self, copy, *flags):
        return subprocess.Popen([support.PROGRAM, "restore", "-f", "-follow-interval", "30ms",
                                 "-json", "-o", copy, *flags, self.url], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def wait_for(self, copy, count):
        def reached():
            try:
                return os.path.exists(copy) and self.count(copy) == count
            except sqlite3.OperationalError:  # a step is being written
                return False
        support.wait_until("the copy has %d rows" % count, reached)

    def test_it_keeps_up_survives_kills_and_ends_well(self):
        app = self.replicated()
        copy = self.path("copy.db")
        total = 0
        for last in (False, False, True):
            process = self.follower(copy)
            for _ in range(3):
                total += 2
                self.commit(app, 2)
                self.wait_for(copy, total)
            process.send_signal(signal.SIGINT if last else signal.SIGKILL)
            out, errors = process.communicate(timeout=support.TIMEOUT_S)
            self.assertEqual(process.returncode, 0 if last else -signal.SIGKILL, errors)
            steps = [json.loads(line) for line in out.splitlines()]
            self.assertTrue(steps)
        self.assertEqual([step["restored"] for step in steps], [False] * len(steps))
        self.assertEqual(sorted(name for name in os.listdir(self.folder) if "copy" in name),
                         ["copy.db", "copy.db-follow"])

    def test_a_reader_in_the_way_is_told_and_waited_for(self):
        app = self.replicated()
        self.commit(app)
        copy = self.path("copy.db")
        process = self.follower(copy)
        self.addCleanup(process.kill)
        self.wait_for(copy, 1)
        reader = sqlite3.connect(copy, isolation_level=None)
        self.addCleanup(reader.close)
        reader.execute("BEGIN")
        self.assertEqual(reader.execute("SELECT count(*) FROM t").fetchone()[0], 1)
        self.commit(app)
        self.assertIn("is in the way", process.stderr.readline())
        self.assertEqual(reader.execute("SELECT count(*) FROM t").fetchone()[0], 1)
        reader.execute("COMMIT")
        self.wait_for(copy, 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=support.TIMEOUT_S)
        self.assertEqual(process.returncode, 0)

    def test_a_copy_that_was_written_to_is_an_error(self):
        app = self.replicated()
        self.commit(app)
        copy = self.path("copy.db")
        process = self.follower(copy)
        self.addCleanup(process.kill)
        self.wait_for(copy, 1)
        writer = sqlite3.connect(copy, isolation_level=None, timeout=10)
        writer.execute("DELETE FROM t")
        writer.close()
        _, errors = process.communicate(timeout=support.TIMEOUT_S)
        self.assertEqual(process.returncode, 1)
        self.assertIn("changed by somebody else", errors)


class V3(RestoreCase):
    def setUp(self):
        super().setUp()
        self.backup = v3_backup.story(self.folder, self.replica)
        self.addCleanup(self.backup.close)

    def rows(self, path):
        connection = sqlite3.connect(path)
        try:
            self.assertEqual(connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            return connection.execute("SELECT v FROM t ORDER BY rowid").fetchall()
        finally:
            connection.close()

    def test_newest_every_time_and_the_generation_asked_for(self):
        listed = json.loads(support.run([support.PROGRAM, "generations", "-json", self.url])[1])
        self.assertEqual([(row["generation"], row["snapshots"], row["wal_segments"])
                          for row in listed], [("0123456789abcdef", 2, 6)])
        output = self.path("newest.db")
        said = self.program_ok("restore", "-o", output, "-integrity-check", "full", self.url)
        self.assertIn("generation 0123456789abcdef", said)
        self.assertEqual(self.rows(output), self.backup.rows())
        for at, rows in self.backup.states.items():
            output = self.path("at-%d.db" % at)
            self.program_ok("restore", "-o", output, "-timestamp", rfc3339(at), "-generation",
                            "0123456789abcdef", self.url)
            self.assertEqual(self.rows(output), rows)

    def test_what_cannot_be_is_said(self):
        output = self.path("x.db")
        for flags, message in (
                (["-txid", "0000000000000001"], "has no TXIDs"),
                (["-timestamp", "2020-01-01T00:00:00Z"], "no generation reaches back"),
                (["-generation", "ffffffffffffffff"], "known: 0123456789abcdef")):
            status, _, errors = self.program("restore", "-o", output, *flags, self.url)
            self.assertEqual(status, 1)
            self.assertIn(message, errors)
            self.assertFalse(os.path.exists(output))

    def test_a_missing_segment_is_an_error_that_names_its_wal(self):
        os.remove(os.path.join(self.backup.root, "wal", "00000002_00000000.wal.lz4"))
        status, _, errors = self.program("restore", "-o", self.path("x.db"), self.url)
        self.assertEqual(status, 1)
        self.assertIn("WAL 2 is missing", errors)

    def test_ltx_files_win_over_what_is_old(self):
        old_url, self.url = self.url, "file://" + self.path("later")
        app = self.replicated()
        self.commit(app, 3)
        os.rename(self.path("later", "ltx"), os.path.join(self.replica, "ltx"))
        self.url = old_url
        output = self.path("new.db")
        self.program_ok("restore", "-o", output, self.url)
        self.assertEqual(self.count(output), 3)


if __name__ == "__main__":
    support.main()
