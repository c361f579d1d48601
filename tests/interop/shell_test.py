#!/usr/bin/python3
"""The stock sqlite3 shell with nothing but the extension, as the README's first minute shows it."""

import json
import os
import shutil
import sqlite3

import ltx
import support

TXID = r"^[0-9a-f]{16}$"


class ShellCase(support.Case):
    def setUp(self):
        super().setUp()
        os.symlink(support.EXTENSION, self.path("litestream_ext.so"))
        self.database = self.path("app.db")
        self.replica = self.path("replica")
        self.url = "file://" + self.replica

    def shell(self, script, database="app.db", **settings):
        return support.shell(script, database, self.folder, **settings)

    def shell_ok(self, script, database="app.db", **settings):
        """The lines of output of a script in which nothing may go wrong."""
        status, out, errors = self.shell(script, database, **settings)
        self.assertEqual((status, errors), (0, ""), out)
        return out.splitlines()

    def replicating(self, script):
        return self.shell_ok(".load ./litestream_ext\nSELECT litestream_replicate('%s');\n%s" %
                             (self.url, script))

    def assert_replica_complete(self, reference=None):
        """The independent reader makes the very bytes of the database out of the replica."""
        reference = reference or support.checkpointed_copy(self.database, self.path("reference.db"))
        restored = self.path("independent.db")
        with open(restored, "wb") as file:
            file.write(ltx.restore(self.replica))
        self.assert_same_bytes(restored, reference)
        self.assert_integrity(restored)


class FirstMinute(ShellCase):
    def test_load_replicate_write_sync_list_quit(self):
        out = self.replicating(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);\n"
            "INSERT INTO t(v) VALUES('one'), ('two');\n"
            "SELECT litestream_sync();\n"
            "SELECT * FROM litestream_ltx;\n"
            ".quit\n")
        self.assertEqual(out[0], self.url)
        self.assertRegex(out[1], TXID)
        rows = [line.split("|") for line in out[2:]]
        self.assertTrue(rows, "litestream_ltx lists nothing")
        for database, replica, level, min_txid, max_txid, size, created_at in rows:
            self.assertEqual(os.path.realpath(os.path.join(self.folder, database)), self.database)
            self.assertEqual(replica, "file")
            self.assertIn(level, ("0", "9"))
            self.assertRegex(min_txid, TXID)
            self.assertRegex(created_at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            name = "%s-%s.ltx" % (min_txid, max_txid)
            path = os.path.join(self.replica, "ltx", level, name)
            self.assertEqual(int(size), os.path.getsize(path))
        self.assertEqual(max(row[4] for row in rows), out[1])
        self.assert_replica_complete()

    def test_quit_alone_completes_the_replica(self):
        self.replicating("CREATE TABLE t(v);\nINSERT INTO t VALUES(randomblob(9000));\n.quit\n")
        self.assert_replica_complete()

    def test_end_of_input_completes_the_replica(self):
        self.replicating("CREATE TABLE t(v);\nINSERT INTO t VALUES(randomblob(9000));\n")
        self.assert_replica_complete()

    def test_sessions_continue_one_another(self):
        newest = []
        for i in range(4):
            create = "CREATE TABLE IF NOT EXISTS t(v);\n"
            insert = "INSERT INTO t VALUES(%d);\nSELECT litestream_sync();\n" % i
            newest.append(self.replicating(create + insert)[-1])
            self.assert_replica_complete()
        self.assertEqual(newest, sorted(set(newest)))

    def test_write_without_the_extension_between_sessions(self):
        self.replicating("CREATE TABLE t(v);\nINSERT INTO t VALUES('with');\n")
        self.shell_ok("INSERT INTO t VALUES('without'); PRAGMA wal_checkpoint(TRUNCATE);\n")
        self.replicating("SELECT litestream_sync();\n")
        self.assert_replica_complete()

    def test_existing_database_with_every_page_size(self):
        for page_size in (512, 1024, 4096, 65536):
            self.database = self.path("size%d.db" % page_size)
            self.replica = self.path("replica%d" % page_size)
            self.shell_ok("PRAGMA page_size=%d;CREATE TABLE t(v);"
                          "INSERT INTO t VALUES(randomblob(200000));" % page_size, self.database)
            self.shell_ok(".load ./litestream_ext\nSELECT litestream_replicate('file://%s');\n"
                          "INSERT INTO t VALUES(1);\n" % self.replica, self.database)
            self.assert_replica_complete()


class Restore(ShellCase):
    def restore(self, output, options=None, source=None):
        arguments = "'%s', '%s'" % (source or self.url, output)
        if options:
            arguments += ", '%s'" % json.dumps(options)
        call = "SELECT litestream_restore(%s);\n" % arguments
        return self.shell(".load ./litestream_ext\n" + call, "")

    def test_from_another_shell(self):
        self.replicating("CREATE TABLE t(v);\nINSERT INTO t VALUES(randomblob(50000));\n")
        output = self.path("restored.db")
        status, out, errors = self.restore(output)
        self.assertEqual((status, errors), (0, ""))
        answer = json.loads(out)
        self.assertEqual(sorted(answer), ["created_at", "replica", "restored_path", "size", "txid"])
        self.assertEqual(answer["size"], os.path.getsize(output))
        self.assertRegex(answer["txid"], TXID)
        reference = support.checkpointed_copy(self.database, self.path("ref.db"))
        self.assert_same_bytes(output, reference)
        self.assertEqual([n for n in os.listdir(self.folder) if n.startswith("restored.db-")], [])

    def test_refuses_an_existing_file(self):
        self.replicating("CREATE TABLE t(v);\n")
        output = self.path("precious.db")
        with open(output, "w") as file:
            file.write("precious")
        status, _, errors = self.restore(output)
        self.assertNotEqual(status, 0)
        self.assertIn("litestream_restore", errors)
        self.assertIn("precious.db", errors)
        self.assertEqual(support.read_bytes(output), b"precious")

    def test_every_point(self):
        references = self._write_points(6)
        for txid, reference in references.items():
            output = self.path("at-%s.db" % txid)
            status, _, errors = self.restore(output, {"txid": txid})
            self.assertEqual((status, errors), (0, ""))
            self.assert_same_bytes(output, reference)

    def test_decimal_txid_is_refused(self):
        self.replicating("CREATE TABLE t(v);\n")
        status, _, errors = self.restore(self.path("out.db"), {"txid": "1"})
        self.assertNotEqual(status, 0)
        self.assertIn("TXIDs are hexadecimal, 16 digits", errors)
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_missing_middle_file_is_an_error_that_names_the_gap(self):
        txids = sorted(self._write_points(4))
        gone = [f for f in ltx.list_files(self.replica) if f[1] <= int(txids[2], 16) <= f[2]]
        for _, _, _, path in gone:
            os.remove(path)
        status, _, errors = self.restore(self.path("out.db"))
        self.assertNotEqual(status, 0)
        self.assertIn(txids[2], errors)
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_damaged_file_is_an_error_that_names_it(self):
        self._write_points(3)
        path = ltx.list_files(self.replica)[1][3]
        data = bytearray(support.read_bytes(path))
        data[len(data) // 2] ^= 0x10
        with open(path, "wb") as file:
            file.write(data)
        status, _, errors = self.restore(self.path("out.db"))
        self.assertNotEqual(status, 0)
        self.assertIn(os.path.basename(path), errors)
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_restores_the_golden_replica_of_upstream(self):
        golden = os.path.join(support.HERE, "golden")
        for name in sorted(os.listdir(os.path.join(golden, "databases"))):
            output = self.path(name)
            status, _, errors = self.restore(output, {"txid": name[:16]},
                                             "file://" + os.path.join(golden, "replica"))
            self.assertEqual((status, errors), (0, ""))
            self.assert_same_bytes(output, os.path.join(golden, "databases", name))

    def _write_points(self, count):
        """{txid: copy of the database at that moment}, from one session with a sync per point."""
        script = "CREATE TABLE t(id INTEGER PRIMARY KEY, v);\n"
        for i in range(count):
            script += ("INSERT INTO t(v) VALUES(randomblob(3000));\nSELECT litestream_sync();\n"
                       ".shell mkdir p%d; cp app.db app.db-wal p%d/\n" % (i, i))
        txids = self.replicating(script)[1:]
        self.assertEqual(len(txids), count)
        references = {}
        for i, txid in enumerate(txids):
            reference = self.path("reference%d.db" % i)
            references[txid] = support.checkpointed_copy(self.path("p%d" % i, "app.db"), reference)
        return references


class NothingChanged(ShellCase):
    WRITES = ("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);\n"
              "CREATE INDEX i ON t(v);\n" +
              "".join("INSERT INTO t(v) VALUES('row %d');\n" % i for i in range(50)) +
              "DELETE FROM t WHERE id % 3 = 0;\nUPDATE t SET v = v || 'x';\n")

    def schema(self, database):
        connection = sqlite3.connect(database)
        try:
            return connection.execute("SELECT * FROM sqlite_master ORDER BY name").fetchall()
        finally:
            connection.close()

    def test_same_writes_same_bytes_with_and_without(self):
        plain = self.path("plain.db")
        self.shell_ok("PRAGMA journal_mode=WAL;\n" + self.WRITES, plain)
        self.shell_ok("PRAGMA journal_mode=WAL;\n.load ./litestream_ext\n"
                      "SELECT litestream_replicate('%s');\n%sSELECT litestream_sync();\n" %
                      (self.url, self.WRITES))
        self.assertEqual(self.schema(self.database), self.schema(plain))
        copies = [support.checkpointed_copy(database, database + "-copy")
                  for database in (self.database, plain)]
        self.assert_same_bytes(*copies)

    def test_replicating_an_idle_database_leaves_its_bytes_alone(self):
        self.shell_ok("PRAGMA journal_mode=WAL;\n" + self.WRITES)
        shutil.copyfile(self.database, self.path("before.db"))
        self.replicating("SELECT litestream_sync();\nSELECT count(*) FROM litestream_status;\n")
        copy = support.checkpointed_copy(self.database, self.path("copy.db"))
        self.assert_same_bytes(copy, self.path("before.db"))
        self.assert_replica_complete()

    def test_loading_alone_changes_nothing(self):
        self.shell_ok(self.WRITES)
        before = sorted(os.listdir(self.folder))
        shutil.copyfile(self.database, self.path("before.db"))
        out = self.shell_ok(".load ./litestream_ext\nSELECT litestream_version();\n"
                            "SELECT count(*) FROM t;\n")
        self.assertRegex(out[0], r"^\d+\.\d+\.\d+")
        self.assert_same_bytes(self.database, self.path("before.db"))
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(before + ["before.db"]))


if __name__ == "__main__":
    support.main()
