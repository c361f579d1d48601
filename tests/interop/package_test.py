#!/usr/bin/python3
"""The .deb: what is in it, and from an empty Debian 12 to a restored database through an MCP client."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import support

BUILD = os.path.dirname(support.PROGRAM)
FILES = {"./etc/litestream.yml": 0o644, "./usr/bin/litestream": 0o755,
         "./usr/lib/litestream/litestream_ext.so": 0o644,
         "./usr/lib/systemd/system/litestream.service": 0o644,
         "./usr/share/doc/litestream/README.md": 0o644,
         "./usr/share/doc/litestream/copyright": 0o644,
         "./usr/share/man/man1/litestream.1.gz": 0o644,
         "./usr/share/man/man5/litestream.yml.5.gz": 0o644}
ROOT_TIMEOUT_S = 240


def make_package(folder):
    status, out, errors = support.run(
        ["cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", folder],
        timeout_s=120)
    if status != 0:
        raise AssertionError(out + errors)
    packages = [os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".deb")]
    if len(packages) != 1:
        raise AssertionError(packages)
    return packages[0]


def mode_of(text):
    bits = [0o400, 0o200, 0o100, 0o40, 0o20, 0o10, 4, 2, 1]
    return sum(bit for bit, c in zip(bits, text[1:]) if c != "-")


class Package(support.Case):
    def unpacked(self):
        package = make_package(self.path("deb"))
        status, _, errors = support.run(["dpkg-deb", "-R", package, self.path("tree")])
        self.assertEqual((status, errors), (0, ""))
        return package

    def test_contents(self):
        package = self.unpacked()
        _, listing, _ = support.run(["dpkg-deb", "-c", package])
        found = {}
        for line in listing.splitlines():
            fields = line.split()
            self.assertEqual(fields[1], "root/root", line)
            if fields[0].startswith("-"):
                found[fields[5]] = mode_of(fields[0])
        self.assertEqual(found, FILES)
        with open(self.path("tree", "DEBIAN", "control")) as file:
            control = dict(l.split(": ", 1) for l in file.read().splitlines() if ": " in l)
        self.assertEqual(control["Package"], "litestream")
        self.assertRegex(control["Depends"], r"libsqlite3-0 .*libyaml-cpp")
        self.assertNotRegex(control["Depends"], r"libcurl")
        self.assertIn("libcurl4", control["Recommends"])
        with open(self.path("tree", "DEBIAN", "conffiles")) as file:
            self.assertEqual(file.read(), "/etc/litestream.yml\n")
        with open(self.path("tree/usr/lib/systemd/system/litestream.service")) as file:
            self.assertIn("ExecStart=/usr/bin/litestream replicate\n", file.read())
        status, _, errors = support.run([self.path("tree/usr/bin/litestream"), "config", "-config",
                                         self.path("tree/etc/litestream.yml")])
        self.assertEqual((status, errors), (0, ""))
        _, symbols, _ = support.run(["nm", self.path("tree/usr/bin/litestream")])
        self.assertEqual(symbols, "", "the program is not stripped")

    def man_page(self, name):
        self.unpacked()
        path = self.path("tree/usr/share/man", name + ".gz")
        status, out, errors = support.run(["man", "--warnings", "-l", path],
                                          environment=support.clean_environment(MANWIDTH="200"))
        self.assertEqual((status, errors), (0, ""))
        return out

    def test_man_page_of_the_program_knows_every_command_and_flag(self):
        page = self.man_page("man1/litestream.1")
        _, overview, _ = support.run([support.PROGRAM, "help"])
        commands = re.findall(r"^  ([a-z-]+) +\S", overview.split("Examples:")[0], re.M)
        self.assertGreater(len(commands), 15)
        for command in commands:
            self.assertIn("litestream " + command, page)
            _, text, _ = support.run([support.PROGRAM, "help", command])
            for flag in set(re.findall(r"^  (-[a-z-]+)", text, re.M)):
                self.assertIn(flag, page, "%s %s" % (command, flag))

    def test_man_page_of_the_configuration_knows_every_key(self):
        page = self.man_page("man5/litestream.yml.5")
        with open(self.path("all.yml"), "w") as file:
            file.write("dbs: [{path: /x.db, replica: {path: /r}}]\n")
        _, text, _ = support.run([support.PROGRAM, "config", "-json", "-config",
                                  self.path("all.yml")])
        keys = {row["key"] for row in json.loads(text)} - {"config"}
        self.assertGreater(len(keys), 40)
        for key in keys:
            self.assertIn(key, page)


def readme_steps():
    """The shell blocks of the README's section about the package."""
    readme = (pathlib.Path(support.HERE).parents[1] / "README.md").read_text()
    section = readme.split("\n## From the package to a restored database\n")[1].split("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.S | re.M)


class EmptyDebian(support.Case):
    def chroot(self, *command):
        status, out, errors = support.run(["chroot", self.path("root"), *command], timeout_s=120)
        self.assertEqual(status, 0, "%s\n%s\n%s" % (command, out, errors))
        return out

    def test_from_the_package_to_a_restored_database(self):
        package = make_package(self.path("deb"))
        status, out, errors = support.run(
            ["mmdebstrap", "--variant=apt", "--include=sqlite3", "bookworm", self.path("root")],
            timeout_s=ROOT_TIMEOUT_S)
        self.assertEqual(status, 0, out + errors)
        install, configure, run, ask = readme_steps()
        shutil.copy(package, self.path("root"))
        self.chroot("sh", "-ec", "cd /; export DEBIAN_FRONTEND=noninteractive; " + install)
        os.makedirs(self.path("root/data"))
        self.chroot("sqlite3", "/data/app.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(v);"
                    "INSERT INTO t VALUES('hello');")
        # The port is the system's choice: network namespaces are shared with the root.
        self.assertIn("localhost:8080", configure)
        self.chroot("sh", "-ec", configure.replace("localhost:8080", "localhost:0"))
        log = open(self.path("log"), "w+")
        self.addCleanup(log.close)
        process = subprocess.Popen(["chroot", self.path("root"), *run.split()],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                   env=support.clean_environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        listening = re.compile(r"mcp: listening on (http://\S+)")
        read = lambda: support.read_bytes(log.name).decode()
        support.wait_until("the program replicates",
                           lambda: listening.search(read()) and "replicating /data/app.db" in read())
        # What the README says with curl, said by an MCP client.
        arguments = json.loads(re.search(r"-d '(.*?)'", ask)[1])
        calls = [["litestream_sync", {"database": arguments["database"]}],
                 [ask.split("/")[-1].strip(), arguments]]
        status, out, errors = support.run(
            [support.NODE, os.path.join(support.HERE, "hosts", "mcp_client.mjs"),
             os.path.join(support.NPM, "node_modules"), listening.search(read())[1] + "/mcp",
             json.dumps(calls)])
        self.assertEqual(status, 0, errors)
        answer = json.loads(out)
        for result in answer["results"]:
            self.assertFalse(result.get("isError"), result)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=support.TIMEOUT_S), 0, read())
        self.assertEqual(self.chroot("sqlite3", arguments["output"], "SELECT v FROM t"), "hello\n")
        reference = support.checkpointed_copy(self.path("root/data/app.db"), self.path("ref.db"))
        self.assert_same_bytes(self.path("root") + arguments["output"], reference)


if __name__ == "__main__":
    support.main()
