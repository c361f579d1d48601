#!/usr/bin/python3
"""The public MCP conformance suite, once with the suite's own fixtures, once against the product.

LITESTREAM_CONFORMANCE_SERVER is the program of tests/mcp/conformance_server.cc: the same protocol
core, with the fixtures. The product has none, so conformance-*.yml list, check by check, what needs
them; the suite fails as well when something that is listed passes.
"""

import os
import sqlite3
import subprocess

import support

SERVER = os.path.abspath(os.environ.get("LITESTREAM_CONFORMANCE_SERVER", "mcp_conformance_server"))
SUITE = os.path.join(support.NPM, "node_modules", ".bin", "conformance")


class Conformance(support.Case):
    def run_suite(self, url, requirements, *more):
        command = [support.NODE, SUITE, "server", "--url", url + "/mcp",
                   "--requirements", requirements, "-o", self.path("results"), *more]
        status, out, errors = support.run(command, folder=self.folder, timeout_s=180)
        self.assertEqual(status, 0, out[-4000:] + errors[-2000:])
        # A run of nothing would end well too.
        self.assertGreater(len(os.listdir(self.path("results"))), 25)


class Core(Conformance):
    def setUp(self):
        super().setUp()
        self.server = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True, env=support.clean_environment())
        self.addCleanup(self.stop)
        self.url = self.server.stdout.readline().strip()
        self.assertTrue(self.url.startswith("http://localhost:"), self.url)

    def stop(self):
        self.server.stdin.close()
        self.assertEqual(self.server.wait(timeout=support.TIMEOUT_S), 0)
        self.server.stdout.close()

    def test_2025_11_25(self):
        self.run_suite(self.url, "2025-11-25")

    def test_2026_07_28(self):
        self.run_suite(self.url, "2026-07-28")


class Product(Conformance):
    def setUp(self):
        super().setUp()
        connection = sqlite3.connect(self.path("app.db"))
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        connection.close()
        self.server = support.Server("replicate", "-mcp-addr", "localhost:0", self.path("app.db"),
                                     "file://" + self.path("replica"))
        self.addCleanup(self.server.stop)

    def run_product(self, requirements):
        expected = os.path.join(support.HERE, "conformance-%s.yml" % requirements)
        self.run_suite(self.server.url, requirements, "--expected-failures", expected)
        self.assertEqual(self.server.stop(), 0)

    def test_2025_11_25(self):
        self.run_product("2025-11-25")

    def test_2026_07_28(self):
        self.run_product("2026-07-28")


if __name__ == "__main__":
    support.main()
