#!/usr/bin/python3
"""The official TypeScript SDK clients, versions 1 and 2, over HTTP and stdio, in every mode they have."""

import json
import os

import support

FIVE = ["litestream_databases", "litestream_ltx", "litestream_snapshots", "litestream_restore",
        "litestream_generations"]


class McpFixture(support.Case):
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

    def stdio(self):
        return json.dumps([support.PROGRAM, "mcp", "-stdio", "-allow-overwrite", "-config",
                           self.path("litestream.yml")])


class McpClient(McpFixture):
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

    def test_stdio(self):
        output = self.path("restored.db")
        self.assert_five(self.call(self.stdio(), self.five_calls(output)), output)

    def test_a_person_is_asked_before_a_file_is_replaced(self):
        restore = [["litestream_restore", {"database": self.database, "output": self.path("x.db")}]]
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-allow-overwrite",
                            "-mcp-addr", "localhost:0") as server:
            for i, endpoint in enumerate((server.url, self.stdio())):
                with open(self.path("x.db"), "w") as file:
                    file.write("precious")
                answer = self.call(endpoint, restore)
                self.assertEqual(answer["faults"], [])
                self.assertFalse(answer["results"][0].get("isError"), answer)
                self.assertEqual(len(answer["questions"]), 1)
                self.assertIn(self.path("x.db"), answer["questions"][0])
                reference = support.checkpointed_copy(self.database, self.path("ref%d.db" % i))
                self.assert_same_bytes(self.path("x.db"), reference)

    def test_tool_failures_are_results_not_protocol_errors(self):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            calls = [["litestream_ltx", {"database": "/no/such.db"}],
                     ["litestream_restore", {"database": self.database, "output": self.database}]]
            for result in self.call(server.url, calls)["results"]:
                self.assertTrue(result["isError"])
                self.assertTrue(result["content"][0]["text"])


class McpClientV2(McpFixture):
    MODES = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}

    def call(self, endpoint, mode, steps):
        command = [support.NODE, os.path.join(support.HERE, "hosts", "mcp_client_v2.mjs"),
                   os.path.join(support.NPM, "node_modules"), endpoint, mode, json.dumps(steps)]
        status, out, errors = support.run(command)
        self.assertEqual(status, 0, errors)
        return json.loads(out)

    def tool(self, name, **arguments):
        return ["callTool", {"name": name, "arguments": dict(arguments, database=self.database)}]

    def steps(self, folder):
        os.mkdir(folder)
        with open(os.path.join(folder, "old.db"), "w") as file:
            file.write("precious")
        return [["listTools", {}], self.tool("litestream_ltx"),
                self.tool("litestream_restore", output=os.path.join(folder, "new.db")),
                self.tool("litestream_restore", output=os.path.join(folder, "old.db")),
                ["listResources", {}], ["listResourceTemplates", {}],
                ["readResource", {"uri": "litestream://databases"}], ["listPrompts", {}],
                ["getPrompt", {"name": "check_backup_health"}],
                ["complete", {"ref": {"type": "ref/prompt", "name": "explain_growth"},
                              "argument": {"name": "database", "value": "/"}}]]

    def assert_answers(self, answer, mode, folder):
        # This client hands on a notification later than the answer that came with it.
        faults = [f for f in answer["faults"] if "progress notification for an unknown" not in f]
        self.assertEqual(faults, [])
        self.assertEqual(answer["version"], self.MODES[mode])
        self.assertEqual(answer["server"]["name"], "litestream")
        tools, files, new, old, resources, templates, read, prompts, prompt, values = \
            answer["answers"]
        self.assertTrue(set(FIVE) <= {tool["name"] for tool in tools["tools"]})
        self.assertEqual(files["structuredContent"]["files"][-1]["level"], 9)
        for restored, name in ((new, "new.db"), (old, "old.db")):
            self.assertFalse(restored.get("isError"), restored)
            reference = support.checkpointed_copy(self.database, os.path.join(folder, "ref.db"))
            self.assert_same_bytes(os.path.join(folder, name), reference)
        self.assertEqual(len(answer["questions"]), 1)
        self.assertIn("old.db", answer["questions"][0])
        progress = answer["progress"][2]  # of the first restore; at the second the client adds its own
        self.assertEqual(progress, sorted(set(progress)))
        self.assertEqual(resources["resources"][0]["uri"], "litestream://databases")
        self.assertEqual(len(templates["resourceTemplates"]), 3)
        self.assertIn(self.database, read["contents"][0]["text"])
        self.assertEqual(sorted(p["name"] for p in prompts["prompts"]),
                         ["check_backup_health", "explain_growth", "restore_to_moment"])
        self.assertIn(self.database, prompt["messages"][0]["content"]["text"])
        self.assertEqual(values["completion"]["values"], [self.database])

    def test_http(self):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-allow-overwrite",
                            "-mcp-addr", "localhost:0") as server:
            for mode in self.MODES:
                for path in ("", "/mcp"):
                    with self.subTest(mode=mode, path=path):
                        folder = self.path(mode + path.replace("/", "-"))
                        steps = self.steps(folder)
                        self.assert_answers(self.call(server.url + path, mode, steps), mode, folder)

    def test_stdio(self):
        for mode in self.MODES:
            with self.subTest(mode=mode):
                folder = self.path(mode)
                steps = self.steps(folder)
                self.assert_answers(self.call(self.stdio(), mode, steps), mode, folder)


if __name__ == "__main__":
    support.main()
