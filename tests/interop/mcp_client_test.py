#!/usr/bin/python3
"""The official TypeScript SDK client connects, lists the tools and calls the five."""

import json
import os

import support

FIVE = ["litestream_databases", "litestream_ltx", "litestream_snapshots", "litestream_restore",
        "litestream_generations"]


class McpClient(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        self.url = "file://" + self.path("replica")
        script = (".load %s\nSELECT litestream_replicate('%s');\nCREATE TABLE t(v);\n"
                  "INSERT INTO t VALUES(randomblob(20000));\nSELECT litestream_sync();\n"
                  "SELECT litestream_snapshot();\n" % (support.EXTENSION[:-len(".so")], self.url))
        status, _, errors = support.shell(script, self.database)
        self.assertEqual((status, errors), (0, ""))
        with open(self.path("litestream.yml"), "w") as file:
            file.write("dbs:\n  - path: %s\n    replica:\n" % self.database)
            file.write("      url: %s\n" % self.url)

    def call(self, endpoint, calls):
        command = [support.NODE, os.path.join(support.HERE, "hosts", "mcp_client.mjs"),
                   os.path.join(support.NPM, "node_modules"), endpoint, json.dumps(calls)]
        status, out, errors = support.run(command)
        self.assertEqual(status, 0, errors)
        return json.loads(out)

    def five_calls(self, output):
        database = {"database": self.database}
        return [["litestream_databases", {}], ["litestream_ltx", database],
                ["litestream_snapshots", database],
                ["litestream_restore", dict(database, output=output)],
                ["litestream_generations", database]]

    def assert_five(self, answer, output):
        self.assertEqual(answer["faults"], [])
        self.assertEqual(answer["server"]["name"], "litestream")
        tools = {tool["name"]: tool for tool in answer["tools"]}
        for name in FIVE:
            self.assertTrue(tools[name]["description"])
            self.assertEqual(tools[name]["inputSchema"]["type"], "object")
            self.assertEqual(tools[name]["outputSchema"]["type"], "object")
        contents = []
        for result in answer["results"]:
            self.assertFalse(result.get("isError"), result)
            contents.append(result["structuredContent"])
        databases, files, snapshots, restored, generations = contents
        self.assertEqual(databases, {"databases": [{"path": self.database, "replicas": [
            {"name": "file", "type": "file", "url": self.url}]}]})
        self.assertEqual(sorted(files["files"][0]),
                         ["created_at", "level", "max_txid", "min_txid", "size"])
        self.assertEqual(sorted(snapshots["snapshots"][0]), ["created_at", "size", "txid"])
        self.assertEqual(restored["restored_path"], output)
        self.assertEqual(restored["size"], os.path.getsize(output))
        self.assertEqual(generations["generations"], [])
        self.assertIn("litestream_ltx", generations["note"])

    def test_replicate_with_mcp_addr(self):
        with support.Server("replicate", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            for i, path in enumerate(("", "/mcp")):
                output = self.path("restored%d.db" % i)
                self.assert_five(self.call(server.url + path, self.five_calls(output)), output)
                reference = support.checkpointed_copy(self.database, self.path("ref%d.db" % i))
                self.assert_same_bytes(output, reference)
            self.assertEqual(server.stop(), 0)

    def test_mcp_alone(self):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            output = self.path("restored.db")
            self.assert_five(self.call(server.url, self.five_calls(output)), output)

    def test_tool_failures_are_results_not_protocol_errors(self):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            calls = [["litestream_ltx", {"database": "/no/such.db"}],
                     ["litestream_restore", {"database": self.database, "output": self.database}]]
            for result in self.call(server.url, calls)["results"]:
                self.assertTrue(result["isError"])
                self.assertTrue(result["content"][0]["text"])


if __name__ == "__main__":
    support.main()
