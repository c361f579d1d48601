#!/usr/bin/python3
"""Each line under Troubleshooting in README.md happens as it says."""

import json
import os
import pathlib
import re
import sqlite3
import urllib.error
import urllib.request

import support

README = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()


def fetch(url, body=None):
    """(status, JSON)"""
    headers = {"Accept": "application/json, text/event-stream"}
    data = None
    if body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


class Readme(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        connection = sqlite3.connect(self.database)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        connection.commit()
        connection.close()
        self.url = "file://" + self.path("replica")

    def replicate_once(self):
        status, _, errors = support.run([support.PROGRAM, "replicate", "-once", self.database,
                                         self.url])
        self.assertEqual(status, 0, errors)

    def restore_error(self, *arguments):
        status, out, errors = support.run([support.PROGRAM, "restore", *arguments])
        self.assertEqual((status, out), (1, ""), errors)
        return errors

    def test_headings(self):
        section = README.split("## Troubleshooting\n")[1].split("\n## ")[0]
        self.assertEqual(re.findall(r"^### (.*)$", section, re.M),
                         ["Connection refused", "Tool not found", "Restore fails"])

    def test_connection_refused(self):
        with support.Server("replicate", "-mcp-addr", "localhost:0", self.database,
                            self.url) as server:
            self.assertEqual(server.log().count("mcp: "), 1)
            address = server.url.removeprefix("http://")
            status, _, errors = support.run([support.PROGRAM, "mcp", "-addr", address, self.url])
            self.assertEqual(status, 1)
            self.assertIn("the port is in use by another program", errors)
            status, answer = fetch(server.url + "/mcp/tools/litestream_ltxx")
            self.assertEqual(status, 404)
            self.assertIn("litestream_ltx", json.dumps(answer))
            status, answer = fetch(server.url + "/mcp/tools/litestream_version")
            self.assertEqual(status, 200)

    def test_off_is_said(self):
        status, _, errors = support.run([support.PROGRAM, "replicate", "-exec", "true",
                                         self.database, self.url])
        self.assertEqual(status, 0)
        self.assertEqual(errors.count("mcp: off (no mcp-addr)"), 1)

    def test_versions(self):
        status, out, _ = support.run([support.PROGRAM, "version", "-json"])
        self.assertEqual(status, 0)
        self.assertIn("2026-07-28", json.loads(out)["mcp_versions"])

    def test_output_not_writable(self):
        self.replicate_once()
        # A folder where nobody, not even root, can make a file.
        errors = self.restore_error("-o", "/proc/out.db", self.url)
        self.assertRegex(errors, r"/proc/\S*out\.db\S*: (No such file or directory|Permission denied)")
        errors = self.restore_error("-o", self.path("no-folder", "out.db"), self.url)
        self.assertIn(self.path("no-folder"), errors)

    def test_no_backup(self):
        errors = self.restore_error("-o", self.path("out.db"), "file://" + self.path("nothing"))
        self.assertIn(self.path("nothing"), errors)
        self.assertFalse(os.path.exists(self.path("out.db")))

    def test_out_of_range(self):
        self.replicate_once()
        # What there is: one point, with its time.
        _, out, _ = support.run([support.PROGRAM, "restore-points", "-json", self.url])
        (point,) = json.loads(out)
        for flag, value in (("-timestamp", "2001-01-01T00:00:00Z"), ("-txid", "00000000000000ff")):
            errors = self.restore_error(flag, value, "-o", self.path("out.db"), self.url)
            self.assertIn("earliest restorable point is %s (%s)" %
                          (point["txid"], point["created_at"]), errors)
        self.assertIn("latest is %s (%s)" % (point["txid"], point["created_at"]), errors)


if __name__ == "__main__":
    support.main()
