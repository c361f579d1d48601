#!/usr/bin/python3
"""HTTPS from inside the hosts: the sqlite3 shell, Python, and Node, which brings its own OpenSSL.
The server's certificate comes from an authority that nobody but the test knows."""

import json
import os
import sys
import textwrap

import ltx
import s3_servers
import support
from s3_test import S3Case

HOSTS = os.path.join(support.HERE, "hosts")


class TlsCase(S3Case):
    def setUp(self):
        super().setUp()
        self.ca_file = self.path("ca.pem")
        self.start(s3_servers.strict("-tls", self.ca_file))
        self.trusting = self.bucket.environment(AWS_CA_BUNDLE=self.ca_file)


class Tls(TlsCase):
    def assert_replicated(self):
        dumped = self.bucket.dump(self.path("dump"))
        self.assertEqual(ltx.restore(dumped), support.read_bytes(self.reference()))

    def run_host(self, command):
        status, out, errors = support.run(command, environment=self.trusting)
        self.assertEqual((status, errors), (0, ""), out)
        self.assert_replicated()
        return out

    def test_shell(self):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        script = ("SELECT litestream_replicate('%s');\nCREATE TABLE t(v);\n"
                  "INSERT INTO t VALUES(randomblob(100000));\nSELECT litestream_sync();\n" % self.url)
        status, out, errors = support.shell(load + script, self.database, self.folder,
                                            self.trusting)
        self.assertEqual((status, errors), (0, ""), out)
        self.assert_replicated()
        output = self.path("restored.db")
        status, out, errors = support.shell(
            load + "SELECT litestream_restore('%s', '%s');\n" % (self.url, output), "",
            self.folder, self.trusting)
        self.assertEqual((status, errors), (0, ""), out)
        self.assert_same_bytes(output, self.reference())

    def test_other_ways_to_name_the_authority(self):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        names = ("SSL_CERT_FILE", "CURL_CA_BUNDLE")
        plain = {k: v for k, v in self.bucket.environment().items() if k not in names}
        for name in names:
            script = "SELECT count(*) FROM litestream_ltx WHERE database = '%s';\n" % self.url
            status, out, errors = support.shell(load + script, "", self.folder,
                                                {**plain, name: self.ca_file})
            self.assertEqual((status, errors, out), (0, "", "0\n"))

    def test_an_unknown_authority_is_an_error_and_no_more(self):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        script = ("SELECT litestream_replicate('%s');\nCREATE TABLE t(v);\nSELECT 'goes on';\n" %
                  self.url)
        _, out, errors = support.shell(load + script, self.database, self.folder,
                                       self.bucket.environment())
        self.assertIn("certificate", errors)
        self.assertIn("goes on", out)
        self.assertEqual(self.bucket.command("keys"), [])

    def test_python(self):
        host = textwrap.dedent("""\
            import sqlite3, ssl, sys, urllib.error, urllib.request
            extension, database, url, origin, ca_file = sys.argv[1:]
            context = ssl.create_default_context(cafile=ca_file)

            def own_request():
                try:
                    urllib.request.urlopen(origin, context=context)
                except urllib.error.HTTPError as answer:
                    return answer.code

            def has_libcurl():
                with open("/proc/self/maps") as maps:
                    return "libcurl" in maps.read()

            before = own_request()
            connection = sqlite3.connect(database, isolation_level=None)
            connection.enable_load_extension(True)
            connection.load_extension(extension)
            assert not has_libcurl()
            connection.execute("SELECT litestream_replicate(?)", (url,)).fetchone()
            assert has_libcurl()
            connection.execute("CREATE TABLE t(v)")
            connection.execute("INSERT INTO t VALUES(randomblob(100000))")
            print(connection.execute("SELECT litestream_sync()").fetchone()[0])
            assert own_request() == before
            connection.close()
            """)
        out = self.run_host([sys.executable, "-c", host, support.EXTENSION, self.database,
                             self.url, self.bucket.info["url"], self.ca_file])
        self.assertRegex(out, "^[0-9a-f]{16}\n$")

    def node(self, *command):
        return json.loads(self.run_host(
            [support.NODE, "--disable-warning=ExperimentalWarning", *command]))

    def test_node_sqlite(self):
        result = self.node(os.path.join(HOSTS, "node_sqlite.mjs"), support.EXTENSION,
                           self.database, self.url, "sync")
        self.assertRegex(result["txid"], "^[0-9a-f]{16}$")

    def test_better_sqlite3(self):
        result = self.node(os.path.join(HOSTS, "better_sqlite3.cjs"),
                           os.path.join(support.NPM, "node_modules"), support.EXTENSION,
                           self.database, self.url, "sync")
        self.assertRegex(result["txid"], "^[0-9a-f]{16}$")

    def test_node_that_speaks_https_itself(self):
        result = self.node(os.path.join(HOSTS, "node_https.mjs"), support.EXTENSION,
                           self.database, self.url, self.bucket.info["url"], self.ca_file)
        self.assertEqual(len(set(result["own"])), 1)
        self.assertEqual(len(result["own"]), 6)


class PeerCloses(TlsCase):
    """Connections that the server ends while we write to them: three uploads, and every GET after 64
    KiB. A library that writes to such a socket gets SIGPIPE, which by default ends the process."""

    CUT_COUNT = 3

    def setUp(self):
        super().setUp()
        self.output = self.path("restored.db")
        self.bucket.command("cut_uploads 65536 %d" % self.CUT_COUNT)
        self.bucket.command("cut_gets 65536")

    def run_host(self, command, input_text=None):
        status, out, errors = support.run(command, input_text, self.trusting, self.folder)
        self.assertEqual((status, errors), (0, ""), out)
        self.assertEqual(self.bucket.command("cuts_left"), 0)
        self.assertGreater(self.bucket.command("counts")["get"], 40)
        self.assert_same_bytes(self.output, self.reference())
        return out

    def test_shell(self):
        self.run_host([support.SHELL, "-batch", self.database], (
            ".load %s\nSELECT litestream_replicate('%s');\nCREATE TABLE t(v);\n"
            "INSERT INTO t VALUES(randomblob(3000000));\nSELECT litestream_sync(NULL, 60000);\n"
            "SELECT litestream_restore('%s', '%s');\n") %
            (support.EXTENSION[:-len(".so")], self.url, self.url, self.output))

    def test_python(self):
        host = textwrap.dedent("""\
            import signal, sqlite3, ssl, sys
            extension, database, url, output = sys.argv[1:]
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            connection = sqlite3.connect(database, isolation_level=None)
            connection.enable_load_extension(True)
            connection.load_extension(extension)
            for sql in ("SELECT litestream_replicate(:url)", "CREATE TABLE t(v)",
                        "INSERT INTO t VALUES(randomblob(3000000))",
                        "SELECT litestream_sync(NULL, 60000)",
                        "SELECT litestream_restore(:url, :output)"):
                connection.execute(sql, {"url": url, "output": output}).fetchall()
            connection.close()
            """)
        self.run_host([sys.executable, "-c", host, support.EXTENSION, self.database, self.url,
                       self.output])

    def test_node(self):
        self.run_host([support.NODE, "--disable-warning=ExperimentalWarning",
                       os.path.join(HOSTS, "node_restore.mjs"), support.EXTENSION, self.database,
                       self.url, self.output])


if __name__ == "__main__":
    support.main()
