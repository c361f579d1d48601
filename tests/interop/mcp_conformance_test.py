#!/usr/bin/python3
"""The public MCP conformance suite against the protocol core with the suite's own fixtures.

LITESTREAM_CONFORMANCE_SERVER is the program of tests/mcp/conformance_server.cc.
"""

import os
import subprocess

import support

SERVER = os.path.abspath(os.environ.get("LITESTREAM_CONFORMANCE_SERVER", "mcp_conformance_server"))
SUITE = os.path.join(support.NPM, "node_modules", ".bin", "conformance")


class Conformance(support.Case):
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

    def run_suite(self, requirements):
        command = [support.NODE, SUITE, "server", "--url", self.url + "/mcp",
                   "--requirements", requirements, "-o", self.path("results")]
        status, out, errors = support.run(command, folder=self.folder, timeout_s=180)
        self.assertEqual(status, 0, out[-4000:] + errors[-2000:])
        # A run of nothing would end well too.
        self.assertGreater(len(os.listdir(self.path("results"))), 25)

    def test_2025_11_25(self):
        self.run_suite("2025-11-25")

    def test_2026_07_28(self):
        self.run_suite("2026-07-28")


if __name__ == "__main__":
    support.main()
