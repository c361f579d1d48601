#!/usr/bin/python3
"""A URL that an MCP client names is not opened with the credentials of the machine that serves."""

import json
import sqlite3
import urllib.error
import urllib.parse
import urllib.request

import s3_servers
import support


class Urls(support.Case):
    def setUp(self):
        super().setUp()
        self.bucket = s3_servers.strict()
        self.addCleanup(self.bucket.stop)
        self.environment = self.bucket.environment()
        self.database = self.path("app.db")
        connection = sqlite3.connect(self.database)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        connection.close()
        # The endpoint that the environment trusts, so that its keys go there.
        self.url = "%s?endpoint=%s&region=%s" % (
            self.bucket.url(), urllib.parse.quote(self.bucket.info["url"], safe=""),
            self.bucket.info["region"])
        status, _, errors = self.program("replicate", "-once", self.database, self.url)
        self.assertEqual(status, 0, errors)

    def program(self, *arguments):
        return support.run([support.PROGRAM, *arguments], environment=self.environment)

    def post(self, server, tool, **arguments):
        """(HTTP status, answer)"""
        request = urllib.request.Request("%s/mcp/tools/%s" % (server.url, tool),
                                         json.dumps(arguments).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def serve(self, *arguments):
        server = support.Server("mcp", "-addr", "localhost:0", *arguments,
                                environment=self.environment)
        self.addCleanup(server.stop)
        return server

    def test_a_clients_url_gets_no_keys(self):
        server = self.serve("-allow-urls", "file://" + self.path("given"))
        # The keys are good for who runs commands here.
        status, out, errors = self.program("ltx", "-level", "all", "-json", self.url)
        self.assertEqual(status, 0, errors)
        self.assertTrue(json.loads(out))
        status, out, _ = self.program("ltx", "-json", self.url + "&ambient-credentials=false")
        self.assertEqual((status, out), (1, ""))
        self.bucket.command("forget")
        for more in ("", "&ambient-credentials=true", "&ambientCredentials=1", "&"):
            for tool, arguments in (
                    ("litestream_ltx", {}), ("litestream_snapshots", {}), ("litestream_plan", {}),
                    ("litestream_restore_points", {}), ("litestream_verify", {}),
                    ("litestream_generations", {}),
                    ("litestream_restore", {"output": self.path("stolen.db")})):
                with self.subTest(tool=tool, more=more):
                    status, answer = self.post(server, tool, database=self.url + more, **arguments)
                    self.assertEqual(status, 422, answer)
                    self.assertNotIn(self.bucket.info["access_key"], answer)
                    self.assertNotIn("ambient", answer)
        # The bucket was asked, and refused who had no signature.
        self.assertTrue(self.bucket.command("log"))
        # What was added to the URL is not shown to who did not write it.
        plain = "file://" + self.path("nothing")
        status, answer = self.post(server, "litestream_status", database=plain)
        self.assertEqual((status, json.loads(answer)["databases"][0]["database"]), (200, plain))
        status, answer = self.post(server, "litestream_sync", database=plain)
        self.assertEqual(status, 422)
        self.assertIn("'%s'" % plain, answer)

    def test_a_url_given_by_the_operator_keeps_them(self):
        server = self.serve("-allow-urls", self.url)
        status, answer = self.post(server, "litestream_ltx", database=self.bucket.url())
        self.assertEqual(status, 200, answer)
        self.assertTrue(json.loads(answer)["files"])

    def test_without_permission_nothing_is_asked(self):
        server = self.serve("file://" + self.path("given"))
        self.bucket.command("forget")
        status, answer = self.post(server, "litestream_ltx", database=self.url)
        self.assertEqual(status, 422)
        self.assertIn("not configured", answer)
        self.assertEqual(self.bucket.command("log"), [])


if __name__ == "__main__":
    support.main()
