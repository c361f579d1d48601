#!/usr/bin/python3
"""Ruby and PHP as the host, each with its binding of SQLite and its OpenSSL in the process."""

import json
import os

import ltx
import support

HOSTS = os.path.join(support.HERE, "hosts")


class Hosts(support.Case):
    def run_host(self, name, ending):
        database, url = self.path(name + ".db"), "file://" + self.path(name)
        folder, extension = os.path.split(support.EXTENSION)
        if name == "ruby":
            command = ["/usr/bin/ruby", os.path.join(HOSTS, "ruby_sqlite.rb"), support.EXTENSION]
        else:
            command = ["/usr/bin/php", "-d", "sqlite3.extension_dir=" + folder,
                       os.path.join(HOSTS, "php_sqlite.php"), extension]
        status, out, errors = support.run(command + [database, url, ending])
        self.assertEqual((status, errors), (0, ""), out)
        reference = support.checkpointed_copy(database, self.path(name + "-reference.db"))
        self.assertEqual(ltx.restore(self.path(name)), support.read_bytes(reference))
        result = json.loads(out)
        self.assertEqual(result["url"], url)
        return result

    def assert_replicates(self, name):
        first = self.run_host(name, "sync")
        self.assertRegex(first["txid"], "^[0-9a-f]{16}$")
        self.assertEqual(first["newest"], first["txid"])
        self.run_host(name, "exit")
        self.assertGreater(self.run_host(name, "sync")["txid"], first["txid"])

    def test_ruby(self):
        self.assert_replicates("ruby")

    def test_php(self):
        self.assert_replicates("php")


if __name__ == "__main__":
    support.main()
