#!/usr/bin/python3
"""What a person gets wrong: each mistake is one clear error, and the database goes on working."""

import os
import shutil
import subprocess

import support

NOBODY = 65534


class BadInput(support.Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        shutil.copyfile(support.EXTENSION, self.path("litestream_ext.so"))
        os.chmod(self.path("litestream_ext.so"), 0o755)
        self.url = "file://" + self.path("replica")

    def shell(self, script, database="app.db", user=None, flags=("-batch",)):
        command = [support.SHELL, *flags] + ([database] if database else [])
        done = subprocess.run(command, input=".load ./litestream_ext\n" + script, text=True,
                              capture_output=True, cwd=self.folder, user=user, check=False,
                              env=support.clean_environment(), timeout=support.TIMEOUT_S)
        return done.returncode, done.stdout, done.stderr

    def assert_refused(self, script, *words, function="litestream_replicate", **settings):
        status, out, errors = self.shell(script, **settings)
        self.assertEqual(status, 1, out + errors)
        self.assertIn(function, errors)
        for word in words:
            self.assertIn(word, errors)
        return out

    def replicate(self, url=None):
        return "SELECT litestream_replicate('%s');\n" % (url or self.url)

    def test_memory_and_temporary_databases(self):
        for database in (":memory:", "", "file::memory:?cache=shared", "file:x?vfs=memdb"):
            self.assert_refused(self.replicate(), database=database)
        self.assertFalse(os.path.exists(self.path("replica")))

    def test_urls(self):
        for url, word in (("gopher://host/x", "gopher"), ("nonsense", "file://"), ("", "empty"),
                          ("file://", "file")):
            self.assert_refused("SELECT litestream_replicate('%s');\n" % url, word)

    def test_null_and_types(self):
        self.assert_refused("SELECT litestream_replicate(NULL);\n", "NULL")
        self.assert_refused("SELECT litestream_restore(NULL, 'x');\n", "NULL",
                            function="litestream_restore")
        self.assert_refused("SELECT litestream_restore('%s', NULL);\n" % self.url, "NULL",
                            function="litestream_restore")

    def test_options(self):
        call = "SELECT litestream_replicate('%s', '%s');\n"
        self.assert_refused(call % (self.url, "{\"sync-intervall\":\"1s\"}"), "sync-intervall")
        self.assert_refused(call % (self.url, "{\"sync-interval\":\"soon\"}"), "sync-interval")
        self.assert_refused(call % (self.url, "{not json"), "JSON")

    def test_a_secret_in_a_url_is_not_repeated(self):
        _, out, errors = self.shell(self.replicate("gopher://user:hunter2@host/x"))
        self.assertNotIn("hunter2", out + errors)

    def test_restore_from_nothing(self):
        self.assert_refused("SELECT litestream_restore('%s', 'out.db');\n" % self.url,
                            function="litestream_restore")
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_read_only_database(self):
        self.shell("CREATE TABLE t(v);\n")
        out = self.assert_refused(self.replicate() + "SELECT 'still', count(*) FROM t;\n",
                                  flags=("-batch", "-readonly"))
        self.assertIn("still|0", out)

    def test_not_a_database(self):
        with open(self.path("text.db"), "w") as file:
            file.write("this is text\n" * 1000)
        self.assert_refused(self.replicate(), database="text.db")
        with open(self.path("text.db")) as file:
            self.assertEqual(file.read(), "this is text\n" * 1000)

    def test_replica_below_a_regular_file(self):
        with open(self.path("afile"), "w") as file:
            file.write("x")
        status, out, errors = self.shell(
            self.replicate("file://" + self.path("afile", "replica")) +
            "CREATE TABLE t(v);\nINSERT INTO t VALUES(1);\nSELECT litestream_sync(NULL, 2000);\n"
            "SELECT 'still', count(*) FROM t;\n")
        self.assertEqual(status, 1)
        self.assertIn("litestream_", errors)
        self.assertIn("afile", errors)
        self.assertIn("still|1", out)

    def test_folder_without_write_permission(self):
        """No -wal can be made beside the database: as a user who may only read there."""
        user = NOBODY if os.geteuid() == 0 else None
        os.mkdir(self.path("locked"))
        self.shell("CREATE TABLE t(v);\n", "locked/app.db")
        os.chmod(self.path("locked", "app.db"), 0o444 if user is None else 0o644)
        os.chmod(self.path("locked"), 0o555 if user is None else 0o755)
        out = self.assert_refused(self.replicate() + "SELECT 'still', count(*) FROM t;\n",
                                  database="locked/app.db", user=user)
        self.assertIn("still|0", out)
        os.chmod(self.path("locked"), 0o755)

    def test_replica_folder_without_write_permission(self):
        user = NOBODY if os.geteuid() == 0 else None
        os.mkdir(self.path("mine"))
        os.mkdir(self.path("replica"))
        os.chmod(self.path("mine"), 0o777)
        os.chmod(self.path("replica"), 0o555)
        status, out, errors = self.shell(
            self.replicate() + "CREATE TABLE t(v);\nINSERT INTO t VALUES(1);\n"
            "SELECT litestream_sync(NULL, 2000);\nSELECT 'still', count(*) FROM t;\n",
            database="mine/app.db", user=user)
        self.assertEqual(status, 1)
        self.assertIn("litestream_", errors)
        self.assertIn("replica", errors)
        self.assertIn("still|1", out)

    def test_a_schema_cannot_call_what_has_effects(self):
        for expression in ("litestream_sync()", "litestream_replicate('%s')" % self.url,
                           "litestream_restore('%s', 'out.db')" % self.url):
            database = "view%d.db" % len(expression)
            self.shell("CREATE VIEW v AS SELECT %s AS x;\n" % expression, database)
            status, _, errors = self.shell("SELECT * FROM v;\n", database)
            self.assertEqual(status, 1)
            self.assertIn("unsafe use", errors)
        self.assertFalse(os.path.exists(self.path("replica")))
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_tables_cannot_be_read_from_a_schema(self):
        self.shell("CREATE VIEW v AS SELECT * FROM litestream_ltx;\n")
        status, _, errors = self.shell("SELECT * FROM v;\n")
        self.assertEqual(status, 1)
        self.assertIn("unsafe use", errors)

    def test_unknown_database(self):
        for table in ("litestream_ltx", "litestream_snapshots"):
            query = "SELECT * FROM %s WHERE database = '/no/such.db';\n" % table
            status, _, errors = self.shell(query)
            self.assertEqual(status, 1)
            self.assertIn("/no/such.db", errors)


if __name__ == "__main__":
    support.main()
