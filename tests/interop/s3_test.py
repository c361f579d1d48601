#!/usr/bin/python3
"""The stock sqlite3 shell with nothing but the extension, against S3: a server of ours that
recomputes every signature, and moto, which verifies them with Amazon's own library."""

import json
import os
import sqlite3
import subprocess
import sys
import textwrap

import ltx
import s3_servers
import support
import v3_backup

WRITES = ("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v);\n"
          "INSERT INTO t(v) VALUES(randomblob(3000)), ('text');\n"
          "SELECT litestream_sync();\n")


class S3Case(support.Case):
    def start(self, bucket):
        self.addCleanup(bucket.stop)
        self.bucket = bucket
        self.database = self.path("app.db")
        self.url = bucket.url()

    def shell(self, script, database="", **extra):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        return support.shell(load + script, database, self.folder,
                             self.bucket.environment(**extra))

    def shell_ok(self, script, database="", **extra):
        status, out, errors = self.shell(script, database, **extra)
        self.assertEqual((status, errors), (0, ""), out)
        return out.splitlines()

    def replicate(self, script=WRITES):
        start = "SELECT litestream_replicate('%s');\n" % self.url
        return self.shell_ok(start + script, self.database)[1:]

    def restore(self, name="restored.db", options=None):
        output = self.path(name)
        arguments = "'%s', '%s'" % (self.url, output)
        if options:
            arguments += ", '%s'" % json.dumps(options)
        return output, self.shell("SELECT litestream_restore(%s);\n" % arguments)

    def restore_ok(self, name="restored.db", options=None):
        output, (status, out, errors) = self.restore(name, options)
        self.assertEqual((status, errors), (0, ""), out)
        return output

    def reference(self, name="reference.db"):
        return support.checkpointed_copy(self.database, self.path(name))


class AnyServer:
    def test_replicate_list_restore_compare(self):
        txids = []
        for _ in range(3):
            txids += self.replicate()
        self.assertEqual(txids, sorted(set(txids)))
        rows = self.shell_ok("SELECT max(max_txid), count(*) FROM litestream_ltx"
                             " WHERE database = '%s';\n" % self.url)
        self.assertEqual(rows[0].split("|")[0], txids[-1])
        reference = self.reference()
        self.assert_same_bytes(self.restore_ok(), reference)
        # And by a reader that shares no code with the extension.
        dumped = self.bucket.dump(self.path("dump"))
        self.assertEqual(ltx.restore(dumped), support.read_bytes(reference))

    def test_every_point(self):
        references = {}
        for i in range(3):
            txid = self.replicate()[-1]
            references[txid] = self.reference("reference%d.db" % i)
        for txid, reference in references.items():
            output = self.restore_ok("at-%s.db" % txid, {"txid": txid})
            self.assert_same_bytes(output, reference)

    def test_a_wrong_secret_is_refused_and_not_shown(self):
        self.replicate()
        secret = self.bucket.info["secret_key"] + "x"
        status, out, errors = self.shell(
            "SELECT count(*) FROM litestream_ltx WHERE database = '%s';\n" % self.url,
            AWS_SECRET_ACCESS_KEY=secret)
        self.assertNotEqual(status, 0, out)
        self.assertIn("SignatureDoesNotMatch", errors)
        self.assertNotIn(secret, errors + out)

    def test_a_large_file_goes_in_parts(self):
        script = ("CREATE TABLE b(v);\nINSERT INTO b SELECT randomblob(1000000)"
                  " FROM (VALUES(1),(2),(3),(4),(5),(6),(7),(8),(9),(10),(11),(12));\n"
                  "SELECT litestream_sync();\n")
        self.replicate(script)
        self.assert_same_bytes(self.restore_ok(), self.reference())


class Moto(S3Case, AnyServer):
    def setUp(self):
        super().setUp()
        self.start(s3_servers.moto())


class Strict(S3Case, AnyServer):
    def setUp(self):
        super().setUp()
        self.start(s3_servers.strict())

    def test_steady_state_lists_nothing(self):
        script = ("CREATE TABLE t(id INTEGER PRIMARY KEY, v);\nSELECT litestream_sync();\n"
                  "INSERT INTO t(v) VALUES('first');\nSELECT litestream_sync();\n")
        self.replicate(script)
        self.bucket.command("forget")
        more = "".join("INSERT INTO t(v) VALUES(%d);\nSELECT litestream_sync();\n" % i
                       for i in range(20))
        self.replicate(more)
        counts = self.bucket.command("counts")
        # A start lists each of the ten levels once; then there is one PUT per sync.
        self.assertLessEqual(counts["list"], 10)
        self.assertGreaterEqual(counts["put"], 20)

    def test_connections_that_end_every_64_kib(self):
        self.replicate("CREATE TABLE b(v);\nINSERT INTO b SELECT randomblob(1000000)"
                       " FROM (VALUES(1),(2),(3));\nSELECT litestream_sync();\n")
        self.bucket.command("cut_gets 65536")
        self.assert_same_bytes(self.restore_ok(), self.reference())
        self.assertGreater(self.bucket.command("counts")["get"], 40)

    def test_a_backup_of_version_0_3(self):
        backup = v3_backup.story(self.folder, self.path("bucket", "app"))
        self.addCleanup(backup.close)
        self.bucket.command("load " + self.path("bucket"))
        listed = self.shell_ok("SELECT generation, snapshots, wal_segments FROM"
                               " litestream_generations WHERE database = '%s';\n" % self.url)
        self.assertEqual(listed, ["0123456789abcdef|2|6"])
        answer = self.shell_ok("SELECT litestream_restore('%s', '%s');\n" %
                               (self.url, self.path("restored.db")))
        self.assertEqual(json.loads(answer[0])["generation"], "0123456789abcdef")
        restored = sqlite3.connect(self.path("restored.db"))
        self.addCleanup(restored.close)
        self.assertEqual(restored.execute("SELECT v FROM t ORDER BY rowid").fetchall(),
                         backup.rows())
        # The beginning of the last WAL but one is gone: an error, and no database.
        keys = [key for key in self.bucket.command("keys") if "/wal/" in key]
        self.assertTrue(self.bucket.command("erase " + sorted(keys)[-3]))
        output, (status, out, errors) = self.restore("gap.db")
        self.assertNotEqual((status, errors), (0, ""), out)
        self.assertFalse(os.path.exists(output))

    HOST = textwrap.dedent("""\
        import json, sqlite3, sys
        extension, database, url = sys.argv[1:]
        connection = sqlite3.connect(database, isolation_level=None)
        connection.enable_load_extension(True)
        connection.load_extension(extension)
        options = json.dumps({"shutdown-sync-timeout": "100ms"})
        connection.execute("SELECT litestream_replicate(?, ?)", (url, options)).fetchone()
        print("replicating", flush=True)
        for line in sys.stdin:
            connection.execute("INSERT INTO t(v) VALUES(?)", (line,))
            print("committed", flush=True)
        connection.close()
        """)

    def test_commits_do_not_wait_for_a_store_that_does_not_answer(self):
        self.replicate()
        for fault in ("hang put 1000000", "fail put 503 SlowDown 1000000"):
            host = subprocess.Popen(
                [sys.executable, "-c", self.HOST, support.EXTENSION, self.database, self.url],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env=self.bucket.environment())
            self.assertEqual(host.stdout.readline(), "replicating\n")
            self.bucket.command(fault)
            # Each answer comes while the store gives none: it only could if it did not wait.
            for i in range(50):
                host.stdin.write("row %d\n" % i)
                host.stdin.flush()
                self.assertEqual(host.stdout.readline(), "committed\n")
            host.stdin.close()
            self.assertEqual(host.wait(timeout=support.TIMEOUT_S), 0)
            host.stdout.close()
            self.bucket.command("clear_faults")
        # What could not be uploaded follows at the next start.
        self.replicate("SELECT litestream_sync();\n")
        output = self.restore_ok()
        self.assert_same_bytes(output, self.reference())
        count = support.shell("SELECT count(*) FROM t;", output)[1]
        self.assertEqual(count, "102\n")


if __name__ == "__main__":
    support.main()
