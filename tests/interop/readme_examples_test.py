#!/usr/bin/python3
"""The examples of the READMEs, run as they stand; only places and ports are ours.

sql/README.md: every `sql` block, in order, in one sqlite3 shell in an empty folder. mcp/README.md and
README.md: every command line and every client configuration.
"""

import json
import pathlib
import re
import shutil
import sqlite3

import support

ROOT = pathlib.Path(__file__).resolve().parents[2]


def section(readme, heading):
    text = (ROOT / readme).read_text().split("\n## %s\n" % heading)
    return text[1].split("\n## ")[0]


def indented_blocks(text):
    """Each as its lines, unindented, with lines that a backslash continues put together."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", text, re.M)
    return [re.sub(r"^ {4}", "", block, flags=re.M).replace("\\\n", " ").splitlines()
            for block in blocks]


class Sql(support.Case):
    def test_examples(self):
        blocks = re.findall(r"^```sql\n(.*?)^```", (ROOT / "sql/README.md").read_text(),
                            re.S | re.M)
        self.assertGreater(len(blocks), 3)
        shutil.copy(support.EXTENSION, self.path("litestream_ext.so"))
        status, out, errors = support.run([support.SHELL, "-batch"],
                                          ".bail on\n" + "".join(blocks), folder=self.folder,
                                          timeout_s=120)
        self.assertEqual((status, errors), (0, ""), out)
        # The answers that matter: the status (whatever the lag was), the deep verification, the rows.
        self.assertRegex(out, r"(?m)^ok\|1\|\d+$")
        self.assertRegex(out, r'(?m)^\{"ok":true,')
        self.assertEqual(out.splitlines()[-1], "2")


    def test_every_function_and_table_is_described(self):
        script = ("SELECT DISTINCT name FROM pragma_function_list UNION SELECT name FROM "
                  "pragma_module_list;")
        status, out, _ = support.shell(".load %s\n%s\n" % (support.EXTENSION[:-3], script))
        self.assertEqual(status, 0)
        names = [name for name in out.splitlines() if name.startswith("litestream_")]
        self.assertGreater(len(names), 30)
        text = (ROOT / "sql/README.md").read_text()
        self.assertEqual([name for name in names if not re.search("`%s[`(]" % name, text)], [])


class Served(support.Case):
    """One database, replicated and served, in place of the READMEs' /data/app.db and port 8080."""

    def setUp(self):
        super().setUp()
        connection = sqlite3.connect(self.path("app.db"))
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE t(v)")
        connection.commit()
        connection.close()
        with open(self.path("litestream.yml"), "w") as file:
            file.write("mcp-addr: localhost:0\nsocket: {enabled: true, path: %s}\ndbs:\n"
                       "  - path: %s\n    replica:\n      url: file://%s\n" %
                       (self.path("litestream.sock"), self.path("app.db"), self.path("backup")))
        self.server = support.Server("replicate", "-config", self.path("litestream.yml"))
        self.addCleanup(self.server.stop)
        support.wait_until("it replicates", lambda: "replicating " in self.server.log())

    def here(self, text):
        port = self.server.url.rsplit(":", 1)[1]
        places = {"localhost:8080": "localhost:" + port, "/tmp/": self.folder + "/",
                  "/data/app.db": self.path("app.db"),
                  "/var/run/litestream.sock": self.path("litestream.sock"),
                  "/usr/local/bin/litestream": support.PROGRAM,
                  "/usr/bin/litestream": support.PROGRAM}
        return re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], text)

    def curl(self, line):
        """Runs it; it must bring JSON that is no error."""
        status, out, errors = support.run(["bash", "-c", self.here(line).replace(
            "curl ", "curl --fail-with-body -sS ", 1)])
        self.assertEqual(status, 0, line + out + errors)
        self.assertNotIn("error", json.loads(out))

    def initialize(self, client):
        """What a client that was configured so gets from the server."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize",
                "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                           "clientInfo": {"name": "readme", "version": "1"}}}
        if "url" in client:
            line = "curl -H 'Content-Type: application/json' -d '%s' %s" % (json.dumps(body),
                                                                           client["url"])
            status, out, errors = support.run(["bash", "-c", line + " -sS"])
        else:
            environment = support.clean_environment(LITESTREAM_CONFIG=self.path("litestream.yml"))
            status, out, errors = support.run([client["command"], *client["args"]],
                                              json.dumps(body) + "\n", environment)
        self.assertEqual(status, 0, errors)
        self.assertEqual(json.loads(out)["result"]["serverInfo"]["name"], "litestream")

    def initialize_all(self, texts):
        for text in texts:
            configured = json.loads(self.here(text))
            (servers,) = configured.values()
            self.initialize(servers["litestream"])

    def test_clients_of_the_readme(self):
        text = section("README.md", "Connect an assistant")
        self.assertEqual(re.findall(r"^### (.*)$", text, re.M),
                         ["Claude Code", "Claude Desktop", "Cursor", "VS Code", "curl", "Security"])
        examples = re.findall(r"^```json\n(.*?)^```", text, re.S | re.M)
        self.assertEqual(len(examples), 4)
        self.initialize_all(examples)
        lines = [line for block in indented_blocks(text) for line in block]
        self.assertEqual(len(lines), 3)
        for line in lines:
            if line.startswith("curl "):
                self.curl(line)
            else:
                self.initialize({"url": self.here(line.split()[-1])})

    def test_curl_of_the_package_section(self):
        text = section("README.md", "From the package to a restored database")
        self.curl(re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)[-1].replace("\\\n", " "))
        self.assert_integrity(self.path("restored.db"))

    def test_commands_of_the_program(self):
        _, overview, _ = support.run([support.PROGRAM, "help"])
        known = set(re.findall(r"^  ([a-z-]+) ", overview.split("Examples:")[0], re.M))
        seen = set()
        for block in indented_blocks((ROOT / "mcp/README.md").read_text().split("## How it is")[0]):
            for line in block:
                if line.startswith("curl "):
                    self.curl(line)
                elif line.startswith("{"):
                    self.initialize_all([line])
                elif line.startswith("claude mcp add "):
                    self.initialize({"url": self.here(line.split()[-1])})
                else:
                    self.assertTrue(line.startswith("litestream "), line)
                    commands = line.removeprefix("litestream ").split(" | ")
                    seen |= {command.split()[0] for command in commands}
        self.assertEqual(seen, known)


if __name__ == "__main__":
    support.main()
