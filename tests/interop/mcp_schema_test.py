#!/usr/bin/python3
"""Every tool's answer fits the schema that the tool promises: with many, few and no backups.

The program and the extension are the real ones; Ajv says what fits.
"""

import json
import os
import sqlite3
import urllib.request

import support
import v3_backup

# Arguments beside "database", one list entry per call.
CALLS = {
    "litestream_databases": [{}],
    "litestream_ltx": [{}, {"level": 0}, {"level": 9, "limit": 1}, {"replica": "file"}],
    "litestream_snapshots": [{}, {"replica": "file"}],
    "litestream_restore": [{"output": "?"}, {"output": "?", "if_replica_exists": True},
                           {"output": "?", "if_db_not_exists": True, "parallelism": "4"}],
    "litestream_generations": [{}],
    "litestream_info": [{}],
    "litestream_jobs": [{}],
    "litestream_plan": [{}],
    "litestream_reset": [{}],
    "litestream_restore_points": [{}, {"limit": 2}],
    "litestream_snapshot": [{}],
    "litestream_status": [{}, None],
    "litestream_sync": [{}],
    "litestream_verify": [{}, {"deep": True}, {"live": True}],
    "litestream_version": [{}],
}
WITHOUT_DATABASE = ("litestream_databases", "litestream_info", "litestream_jobs",
                    "litestream_version")
# What cannot be done without a backup, or without the database, is a failed call, and fails at once.
FAIL_WITHOUT_BACKUP = {"litestream_restore", "litestream_snapshot", "litestream_sync",
                       "litestream_verify", "litestream_plan", "litestream_reset"}


class Rpc:
    """tools/call and tools/list of 2026-07-28, one request each."""

    def __init__(self, url):
        self.url = url

    def __call__(self, method, parameters):
        parameters = dict(parameters, _meta={
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}})
        headers = {"Content-Type": "application/json", "Mcp-Method": method,
                   "Accept": "application/json, text/event-stream",
                   "MCP-Protocol-Version": "2026-07-28"}
        if "name" in parameters:
            headers["Mcp-Name"] = parameters["name"]
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        request = urllib.request.Request(self.url + "/mcp", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["result"]


class Schemas(support.Case):
    def create(self, name):
        connection = sqlite3.connect(self.path(name), isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        return connection

    def configure(self):
        """many.db, few.db, none.db (a database that is not there), old.db with a backup of 0.3."""
        with open(self.path("litestream.yml"), "w") as file:
            file.write("levels: [{interval: 1s}]\ndbs:\n")
            for name in ("many", "few", "none", "old"):
                file.write("  - path: %s\n    replicas:\n" % self.path(name + ".db"))
                for replica in ("file", "second"):
                    file.write("      - {name: %s, sync-interval: 10ms, url: 'file://%s'}\n" %
                               (replica, self.path(name + "-" + replica)))
        backup = v3_backup.Backup(self.folder, self.path("old-file"))
        backup.snapshot()
        backup.connection.close()
        self.create("few.db").close()
        self.create("many.db").close()

    def fill(self, rpc):
        """Each sync is a file of its own; some become files of level 1."""
        connection = sqlite3.connect(self.path("many.db"), isolation_level=None)
        for row in range(40):
            connection.execute("INSERT INTO t VALUES(?)", (row,))
            self.call(rpc, "litestream_sync", {"database": self.path("many.db")})
            if row % 10 == 0:
                self.call(rpc, "litestream_snapshot", {"database": self.path("many.db")})
        connection.close()

    def call(self, rpc, tool, arguments):
        result = rpc("tools/call", {"name": tool, "arguments": arguments})
        self.assertFalse(result.get("isError"), (tool, arguments, result))
        return result["structuredContent"]

    def arguments(self, tool, more, name, number):
        arguments = dict(more or {})
        if tool not in WITHOUT_DATABASE and more is not None:
            arguments["database"] = self.path(name + ".db")
        if "output" in arguments:
            arguments["output"] = self.path("restored-%s-%d.db" % (name, number))
        return arguments

    def check(self, values):
        status, out, errors = support.run(
            [support.NODE, os.path.join(support.HERE, "hosts", "validate.mjs"),
             os.path.join(support.NPM, "node_modules")], json.dumps(values))
        self.assertEqual(status, 0, errors)
        return json.loads(out)

    def test_answers_fit(self):
        self.configure()
        values = []
        with support.Server("replicate", "-config", self.path("litestream.yml"), "-mcp-addr",
                            "localhost:0") as server:
            rpc = Rpc(server.url)
            tools = {tool["name"]: tool for tool in rpc("tools/list", {})["tools"]}
            self.assertEqual(sorted(tools), sorted(CALLS))
            self.wait_until_ready(server)
            self.call(rpc, "litestream_sync", {"database": self.path("few.db")})
            self.fill(rpc)
            for name in ("many", "few", "none", "old"):
                for tool in tools:
                    for number, more in enumerate(CALLS[tool]):
                        if tool == "litestream_reset" and name in ("many", "few"):
                            continue  # replicated right now
                        values += self.answer(rpc, tools[tool], name, number, more)
            many = self.call(rpc, "litestream_ltx",
                             {"database": self.path("many.db"), "limit": 1000})["files"]
            self.assertGreater(len(many), 40)
            self.assertTrue({0, 9} <= {file["level"] for file in many})
            old = self.call(rpc, "litestream_generations", {"database": self.path("old.db")})
            self.assertEqual(len(old["generations"]), 1)
            refused = rpc("tools/call", {"name": "litestream_restore", "arguments": {
                "database": self.path("few.db"), "output": self.path("x.db"), "parallelism": "99"}})
            self.assertTrue(refused["isError"])
            self.assertIn("1 to 32", refused["content"][0]["text"])
            self.assertEqual(server.stop(), 0)
        values += self.reset_when_stopped(tools)
        self.assertEqual({value["name"].split(" ")[0] for value in values}, set(CALLS))
        self.assertEqual(self.check(values), [])
        # The judge judges: an answer with a member too many, one too few, and a number for a text.
        schema = tools["litestream_version"]["outputSchema"]
        for value in ({"version": "1", "more": 1}, {}, {"version": 1}):
            self.assertEqual(len(self.check([dict(name="x", schema=schema, value=value)])), 1)

    def wait_until_ready(self, server):
        for name in ("few.db", "many.db"):
            support.wait_until("the databases replicate",
                               lambda name=name: "replicating " + self.path(name) in server.log())

    def answer(self, rpc, tool, name, number, more):
        arguments = self.arguments(tool["name"], more, name, number)
        result = rpc("tools/call", {"name": tool["name"], "arguments": arguments})
        if result.get("isError"):
            self.assertIn(name, ("none", "old"), (tool["name"], arguments, result))
            self.assertIn(tool["name"], FAIL_WITHOUT_BACKUP)
            self.assertTrue(result["content"][0]["text"])
            return []
        # The same as text, for clients of older revisions.
        self.assertEqual(json.loads(result["content"][0]["text"]), result["structuredContent"])
        return [{"name": "%s of %s" % (tool["name"], name), "schema": tool["outputSchema"],
                 "value": result["structuredContent"]}]

    def reset_when_stopped(self, tools):
        with support.Server("mcp", "-config", self.path("litestream.yml"), "-addr",
                            "localhost:0") as server:
            rpc = Rpc(server.url)
            return self.answer(rpc, tools["litestream_reset"], "many", 0, {}) + \
                self.answer(rpc, tools["litestream_status"], "many", 0, None)


if __name__ == "__main__":
    support.main()
