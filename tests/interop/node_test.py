#!/usr/bin/python3
"""Node as the host: node:sqlite and better-sqlite3, each with its own SQLite inside."""

import json
import os

import ltx
import support

HOSTS = os.path.join(support.HERE, "hosts")


class NodeHosts(support.Case):
    def run_host(self, ending, name):
        database, url = self.path(name + ".db"), "file://" + self.path(name)
        if name == "node-sqlite":
            script = [os.path.join(HOSTS, "node_sqlite.mjs")]
        else:
            script = [os.path.join(HOSTS, "better_sqlite3.cjs"),
                      os.path.join(support.NPM, "node_modules")]
        command = [support.NODE, "--disable-warning=ExperimentalWarning", *script,
                   support.EXTENSION, database, url, ending]
        status, out, errors = support.run(command)
        self.assertEqual((status, errors), (0, ""), out)
        reference = support.checkpointed_copy(database, self.path(name + "-reference.db"))
        self.assertEqual(ltx.restore(self.path(name)), support.read_bytes(reference))
        result = json.loads(out)
        self.assertEqual(result["url"], url)
        return result

    def assert_listed(self, result):
        self.assertRegex(result["txid"], "^[0-9a-f]{16}$")
        self.assertEqual(max(f["max_txid"] for f in result["files"]), result["txid"])

    def test_node_sqlite(self):
        self.assert_listed(self.run_host("sync", "node-sqlite"))

    def test_node_sqlite_ends_without_closing(self):
        self.run_host("exit", "node-sqlite")

    def test_better_sqlite3(self):
        self.assert_listed(self.run_host("sync", "better-sqlite3"))

    def test_better_sqlite3_ends_without_closing(self):
        self.run_host("exit", "better-sqlite3")

    def test_a_second_run_continues(self):
        first = self.run_host("sync", "node-sqlite")
        second = self.run_host("sync", "node-sqlite")
        self.assertGreater(second["txid"], first["txid"])


if __name__ == "__main__":
    support.main()
