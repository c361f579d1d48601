#!/usr/bin/python3
"""The MCP Inspector's command line lists, calls, reads and prompts: each era, over HTTP and stdio."""

import concurrent.futures
import json
import os
import sqlite3

import support

INSPECTOR = os.path.join(support.NPM, "node_modules", ".bin", "mcp-inspector")
ERAS = ("legacy", "auto", "modern")


class Inspector(support.Case):
    def setUp(self):
        super().setUp()
        self.database = self.path("app.db")
        connection = sqlite3.connect(self.database)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        connection.close()
        with open(self.path("litestream.yml"), "w") as file:
            file.write("dbs:\n  - path: %s\n    replica:\n" % self.database)
            file.write("      url: file://%s\n" % self.path("replica"))
        status, _, errors = support.run([support.PROGRAM, "replicate", "-once", "-config",
                                         self.path("litestream.yml")])
        self.assertEqual(status, 0, errors)

    def inspect(self, target, era, *arguments):
        """(status, JSON of stdout, stderr)"""
        command = [support.NODE, INSPECTOR, "--cli", *target, "--protocol-era", era,
                   "--format", "json", "-q", *arguments]
        environment = support.clean_environment(
            HOME=self.folder, MCP_INSPECTOR_SECRET_STORE="memory",
            MCP_STORAGE_DIR=self.path("storage"))
        status, out, errors = support.run(command, environment=environment, folder=self.folder)
        return status, json.loads(out) if out else None, errors

    def ask(self, target, era, *arguments):
        status, answer, errors = self.inspect(target, era, *arguments)
        self.assertEqual(status, 0, errors)
        return answer["result"]

    def look_around(self, target, era):
        # --strict: a schema that clients stumble over is an error.
        tools = self.ask(target, era, "--method", "tools/list", "--strict")["tools"]
        self.assertEqual([tool["name"] for tool in tools][:5],
                         ["litestream_databases", "litestream_ltx", "litestream_snapshots",
                          "litestream_restore", "litestream_generations"])
        files = self.ask(target, era, "--method", "tools/call", "--tool-name", "litestream_ltx",
                         "--tool-arg", "database=" + self.database)
        self.assertEqual(files["structuredContent"]["files"][0]["level"], 9)
        read = self.ask(target, era, "--method", "resources/read", "--uri",
                        "litestream://databases")
        self.assertIn(self.database, read["contents"][0]["text"])
        prompt = self.ask(target, era, "--method", "prompts/get", "--prompt-name",
                          "explain_growth", "--prompt-args", "database=" + self.database)
        self.assertIn(self.database, prompt["messages"][0]["content"]["text"])
        return True

    def look_around_in_all_eras(self, target):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda era: self.look_around(target, era), ERAS))
        self.assertEqual(done, [True] * len(ERAS))

    def test_http(self):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            self.look_around_in_all_eras((server.url + "/mcp", "--transport", "http"))
            target = (server.url, "--transport", "http")  # the endpoint is there as well
            resources = self.ask(target, "auto", "--method", "resources/list")
            self.assertEqual(resources["resources"][0]["uri"], "litestream://databases")
            output = self.path("restored.db")
            restore = ("--method", "tools/call", "--tool-name", "litestream_restore",
                       "--tool-args-json", json.dumps({"database": self.database,
                                                       "output": output}))
            restored = self.ask(target, "modern", *restore)
            self.assertEqual(restored["structuredContent"]["restored_path"], output)
            self.assert_same_bytes(output, support.checkpointed_copy(self.database, output + "-"))
            # What fails is an answer with isError, status 5: this client cannot ask a person.
            status, answer, _ = self.inspect(target, "auto", *restore)
            self.assertEqual((status, answer["result"]["isError"]), (5, True))

    def test_stdio(self):
        # As people configure it: a file that names the program.
        with open(self.path("mcp.json"), "w") as file:
            json.dump({"mcpServers": {"litestream": {
                "command": support.PROGRAM,
                "args": ["mcp", "-stdio", "-config", self.path("litestream.yml")]}}}, file)
        self.look_around_in_all_eras(("--config", self.path("mcp.json"), "--server", "litestream"))


if __name__ == "__main__":
    support.main()
