#!/usr/bin/python3
"""The `litestream` program as an operator uses it: commands, signals, control socket, metrics."""

import fcntl
import http.server
import json
import os
import pty
import shlex
import signal
import sqlite3
import struct
import subprocess
import tempfile
import termios
import threading
import urllib.request

import support


def create_database(path, rows=10):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("CREATE TABLE t(v)")
    for i in range(rows):
        connection.execute("INSERT INTO t VALUES(?)", (i,))
    connection.commit()
    connection.close()
    return path


def insert(path, value):
    connection = sqlite3.connect(path, timeout=20)
    connection.execute("INSERT INTO t VALUES(?)", (value,))
    connection.commit()
    connection.close()


def count(path):
    connection = sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True)
    try:
        return connection.execute("SELECT count(*) FROM t").fetchone()[0]
    finally:
        connection.close()


class Replicate:
    """A running `litestream replicate`; `wait` for a text in its log."""

    def __init__(self, *arguments, environment=None, stdout=subprocess.DEVNULL):
        self.log_file = tempfile.NamedTemporaryFile("w+", prefix="litestream-log-")
        self.process = subprocess.Popen([support.PROGRAM, "replicate", *arguments], stdout=stdout,
                                        stdin=subprocess.DEVNULL, stderr=self.log_file,
                                        env=environment or support.clean_environment())

    def log(self):
        return support.read_bytes(self.log_file.name).decode()

    def wait_for(self, text):
        def look():
            if text in self.log():
                return True
            if self.process.poll() is not None:
                raise AssertionError("the program ended: " + self.log())
            return False
        support.wait_until(text, look)
        return self

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=support.TIMEOUT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log_file.close()


class Cli(support.Case):
    def run_program(self, *arguments, environment=None, expect=0):
        status, out, errors = support.run([support.PROGRAM, *arguments], environment=environment,
                                          folder=self.folder)
        self.assertEqual(status, expect, "%s\n%s\n%s" % (arguments, out, errors))
        return out if expect == 0 else errors

    def config(self, text):
        path = self.path("litestream.yml")
        with open(path, "w") as file:
            file.write(text.replace("@", self.folder))
        return path

    def restored_count(self, url, name="restored.db"):
        output = self.path(name)
        if os.path.exists(output):
            os.remove(output)
        self.run_program("restore", "-o", output, "-integrity-check", "full", url)
        return count(output)


class Running(Cli):
    def test_directories_replicas_control_socket_and_metrics(self):
        os.makedirs(self.path("tenants", "deep"))
        create_database(self.path("tenants", "a.db"))
        create_database(self.path("tenants", "deep", "b.db"))
        create_database(self.path("single.db"))
        with open(self.path("tenants", "not-one.db"), "w") as file:
            file.write("this is no database")
        config = self.config(
            "addr: localhost:0\nlogging: {type: json}\nsocket: {enabled: true, path: @/ls.sock}\n"
            "dbs:\n  - dir: @/tenants\n    pattern: '*.db'\n    recursive: true\n    watch: true\n"
            "    replica: {url: 'file://@/backup', sync-interval: 20ms}\n"
            "  - path: @/single.db\n    replicas:\n      - {path: @/r1, sync-interval: 20ms}\n"
            "      - {path: @/r2, sync-interval: 20ms, name: second}\n")
        with Replicate("-config", config) as program:
            for name in ("tenants/a.db", "tenants/deep/b.db", "single.db"):
                program.wait_for("replicating %s from TXID" % self.path(name))
            self.assertNotIn("not-one.db", program.log())
            for line in program.log().splitlines():
                self.assertEqual(sorted(json.loads(line)), ["level", "msg", "time"])

            listed = json.loads(self.run_program("list", "-json", "-config", config))
            self.assertEqual([row["path"] for row in listed["databases"]],
                             sorted(self.path(n) for n in
                                    ("single.db", "tenants/a.db", "tenants/deep/b.db")))
            info = json.loads(self.run_program("info", "-json", "-config", config))
            self.assertEqual(info["pid"], program.process.pid)
            self.assertEqual(info["database_count"], 3)

            # A database that appears is taken up; one that goes is let go.
            create_database(self.path("tenants", "deep", "new.db"))
            program.wait_for("replicating %s, which is new" % self.path("tenants/deep/new.db"))
            os.remove(self.path("tenants", "a.db"))
            program.wait_for("%s is gone" % self.path("tenants/a.db"))

            insert(self.path("single.db"), "more")
            synced = json.loads(self.run_program("sync", "-wait", "-json", "-config", config,
                                                 "single.db"))
            self.assertEqual(synced["txid"], synced["replicated_txid"])
            self.assertEqual(self.restored_count("file://" + self.path("r1")), 11)
            self.assertEqual(self.restored_count("file://" + self.path("r2")), 11)
            self.run_program("sync", "-wait", "-config", config, "tenants/deep/new.db")
            self.assertEqual(self.restored_count("file://" + self.path("backup/deep/new.db")), 10)

            self.assertIn("status: stopped", self.run_program("stop", "-config", config, "single.db"))
            self.assertIn("already_stopped", self.run_program("stop", "-config", config, "single.db"))
            insert(self.path("single.db"), "while stopped")
            self.assertIn("status: started", self.run_program("start", "-config", config, "single.db"))
            create_database(self.path("late.db"))
            late = "file://" + self.path("late-backup")
            self.assertIn("status: registered", self.run_program(
                "register", "-config", config, "-replica", late, "late.db"))
            self.run_program("sync", "-wait", "-config", config, "late.db")
            self.assertEqual(self.restored_count(late), 10)
            self.assertIn("status: unregistered",
                          self.run_program("unregister", "-config", config, "late.db"))
            self.assertIn("status: already_unregistered",
                          self.run_program("unregister", "-config", config, "late.db"))

            self.assert_metrics(program)
            self.assertEqual(program.stop(), 0)
        self.assertFalse(os.path.exists(self.path("ls.sock")))
        self.assertEqual(self.restored_count("file://" + self.path("r1")), 12)

    def assert_metrics(self, program):
        line = next(json.loads(l)["msg"] for l in program.log().splitlines() if "metrics: " in l)
        url = line.split()[-1]
        with urllib.request.urlopen(url, timeout=20) as answer:
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
            text = answer.read().decode()
        label = 'db="%s"' % self.path("single.db")
        self.assertIn("litestream_txid{%s}" % label, text)
        self.assertIn('litestream_lag_seconds{%s,replica="second"}' % label, text)
        self.assertIn('litestream_replica_operation_total{replica_type="file",operation="PUT"}', text)
        self.assertIn('litestream_replica_operation_duration_seconds_bucket{replica_type="file",'
                      'operation="PUT",le="+Inf"}', text)
        families = [l.split()[2] for l in text.splitlines() if l.startswith("# TYPE")]
        self.assertEqual(len(families), len(set(families)), "a family appears twice")
        with urllib.request.urlopen(url.replace("/metrics", "/healthz"), timeout=20) as answer:
            self.assertEqual(json.load(answer)["status"], "ok")

    def test_signals_flush_what_is_committed(self):
        database = create_database(self.path("app.db"))
        replica = "file://" + self.path("replica")
        for number in (signal.SIGTERM, signal.SIGINT):
            with Replicate(database, replica) as program:
                program.wait_for("replicating " + database)
                insert(database, int(number))
                self.assertEqual(program.stop(number), 0, program.log())
                self.assertIn("stopped " + database, program.log())
        self.assertEqual(self.restored_count(replica), 12)

    def test_a_port_in_use_does_not_harm_replication(self):
        database = create_database(self.path("app.db"))
        replica = "file://" + self.path("replica")
        with support.Server("replicate", "-mcp-addr", "localhost:0", database, replica) as server:
            port = server.url.rsplit(":", 1)[1]
            other = create_database(self.path("other.db"))
            with Replicate("-mcp-addr", "localhost:" + port, other,
                           "file://" + self.path("other-replica")) as program:
                program.wait_for("replicating " + other)
                self.assertIn("the port is in use", program.log())
                self.assertIn("replication goes on without it", program.log())
                insert(other, "x")
                self.assertEqual(program.stop(), 0)
        self.assertEqual(self.restored_count("file://" + self.path("other-replica")), 11)

    def test_a_database_that_appears_later(self):
        database = self.path("later.db")
        replica = "file://" + self.path("replica")
        with Replicate(database, replica) as program:
            program.wait_for("later.db does not exist yet: waiting for it")
            create_database(database)
            support.wait_until("files appear", lambda: os.path.isdir(self.path("replica", "ltx")))
            self.assertEqual(program.stop(), 0)
        self.assertEqual(self.restored_count(replica), 10)

    def test_several_replicas_on_the_command_line(self):
        database = create_database(self.path("app.db"))
        first, second = "file://" + self.path("r1"), "file://" + self.path("r2")
        with Replicate(database, first, second) as program:
            program.wait_for("replicating " + database)
            self.assertEqual(program.stop(), 0)
        self.assertEqual(self.restored_count(first), self.restored_count(second))

    def test_heartbeat(self):
        beats = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                beats.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        create_database(self.path("app.db"))
        config = self.config(
            "heartbeat-url: http://127.0.0.1:%d/ping/secret-id?x=1\nheartbeat-interval: 1m\n"
            "dbs:\n  - path: @/app.db\n    replica: {path: @/replica}\n" % server.server_port)
        with Replicate("-config", config) as program:
            support.wait_until("a heartbeat", lambda: beats)
            self.assertEqual(beats, ["/ping/secret-id?x=1"])
            self.assertNotIn("secret-id", program.log())
            self.assertEqual(program.stop(), 0)
        self.assertNotIn("secret-id", self.run_program("config", "-config", config))


class Ending(Cli):
    def test_once(self):
        create_database(self.path("app.db"))
        config = self.config("dbs:\n  - path: @/app.db\n    replica: {path: @/replica}\n")
        self.run_program("replicate", "-once", "-config", config)
        self.assertEqual(self.restored_count("file://" + self.path("replica")), 10)
        insert(self.path("app.db"), "x")
        self.run_program("replicate", "-once", "-force-snapshot", "-config", config)
        self.assertEqual(self.restored_count("file://" + self.path("replica")), 11)
        levels = json.loads(self.run_program("ltx", "-level", "9", "-json", "-config", config,
                                             self.path("app.db")))
        self.assertEqual(len(levels), 2)
        self.run_program("replicate", "-once", "-enforce-retention", "-config", config)

    def test_once_without_a_database(self):
        errors = self.run_program("replicate", "-once", self.path("none.db"),
                                  "file://" + self.path("replica"), expect=1)
        self.assertIn("there is no such database", errors)

    def test_restore_if_the_database_does_not_exist(self):
        database = create_database(self.path("app.db"))
        replica = "file://" + self.path("replica")
        self.run_program("replicate", "-once", database, replica)
        for name in os.listdir(self.folder):
            if name.startswith("app.db"):
                os.remove(self.path(name))
        self.run_program("replicate", "-once", "-restore-if-db-not-exists", database, replica)
        self.assertEqual(count(database), 10)

    def test_exec(self):
        database = create_database(self.path("app.db"))
        replica = "file://" + self.path("replica")
        script = self.path("app.sh")
        with open(script, "w") as file:
            file.write("echo \"argument $1\"; sqlite3 '%s' \"INSERT INTO t VALUES('child')\"; exit 7\n"
                       % database)
        status, out, errors = support.run([
            support.PROGRAM, "replicate", "-exec", "sh %s 'two words'" % shlex.quote(script),
            database, replica])
        self.assertEqual(status, 7, errors)
        self.assertEqual(out, "argument two words\n")
        self.assertEqual(self.restored_count(replica), 11)
        self.assertIn("No such file", self.run_program(
            "replicate", "-exec", "/no/such/app", database, replica, expect=1))

    def test_exec_gets_the_signal_first(self):
        database = create_database(self.path("app.db"))
        script = self.path("app.sh")
        with open(script, "w") as file:
            file.write("trap 'sqlite3 \"%s\" \"INSERT INTO t VALUES(9)\"; exit 3' TERM\n"
                       "echo ready >&2\nwhile :; do sleep 0.05; done\n" % database)
        replica = "file://" + self.path("replica")
        with Replicate("-exec", "sh " + script, database, replica) as program:
            program.wait_for("ready")
            program.wait_for("replicating " + database)
            self.assertEqual(program.stop(), 3, program.log())
        self.assertEqual(self.restored_count(replica), 11)


class Asking(Cli):
    def test_without_a_socket_the_owner_is_asked(self):
        database = create_database(self.path("app.db"))
        replica = "file://" + self.path("replica")
        config = self.config("socket: {path: @/none.sock}\ndbs:\n  - path: @/app.db\n"
                             "    replica: {path: @/replica}\n")
        host = subprocess.Popen([support.SHELL, "-batch", database], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True, env=support.clean_environment())
        self.addCleanup(host.wait)
        self.addCleanup(host.kill)
        self.addCleanup(host.stdout.close)
        self.addCleanup(host.stdin.close)
        host.stdin.write(".load %s\nSELECT litestream_replicate('%s', '{\"sync-interval\":\"1h\"}');\n"
                         "INSERT INTO t VALUES('host');\n.print done\n"
                         % (support.EXTENSION[:-len(".so")], replica))
        host.stdin.flush()
        while host.stdout.readline().strip() != "done":
            pass
        self.assertIn("status: synced", self.run_program("sync", "-config", config, "app.db"))
        self.assertEqual(self.restored_count(replica), 11)
        self.assertIn("status: stopped", self.run_program("stop", "-config", config, "app.db"))
        errors = self.run_program("sync", "-config", config, "app.db", expect=1)
        self.assertIn("no process replicates", errors)
        self.assertIn("no litestream listens", errors)

    def test_reset(self):
        database = create_database(self.path("app.db"))
        config = self.config("dbs:\n  - path: @/app.db\n    replica: {path: @/replica}\n")
        self.run_program("replicate", "-once", "-config", config)
        files = self.run_program("reset", "-dry-run", "-config", config, database).split()
        self.assertTrue(files and all(os.path.exists(file) for file in files))
        self.run_program("reset", "-config", config, database)
        self.assertFalse(any(os.path.exists(file) for file in files))
        self.run_program("replicate", "-once", "-config", config)
        self.assertEqual(self.restored_count("file://" + self.path("replica")), 10)

    def test_config(self):
        environment = support.clean_environment(LITESTREAM_MCP_TOKEN="hush", LINGER="7s")
        config = self.config("linger: ${LINGER}\ndbs:\n  - path: @/app.db\n"
                             "    replica: {path: @/replica}\n")
        rows = json.loads(self.run_program("config", "-json", "-config", config,
                                           environment=environment))
        values = {(row["database"], row["key"]): row for row in rows}
        linger = values[(self.path("app.db"), "linger")]
        self.assertEqual((linger["value"], linger["origin"]), ("7s", config + ":1 ($LINGER)"))
        self.assertEqual(values[(None, "mcp-token")]["value"], "***")
        self.assertEqual(values[(None, "mcp-token")]["origin"], "environment $LITESTREAM_MCP_TOKEN")
        self.assertEqual(values[(None, "config")]["origin"], "flag -config")
        errors = self.run_program("config", "-no-expand-env", "-config", config, expect=1)
        self.assertIn("'${LINGER}' is not a duration", errors)

    def test_errors_name_file_and_line(self):
        config = self.config("dbs:\n  - path: @/app.db\n    replica:\n      ulr: file:///x\n")
        errors = self.run_program("replicate", "-config", config, expect=1)
        self.assertIn("litestream.yml:4: unknown key 'ulr' (did you mean 'url'?)", errors)


class Terminals(Cli):
    def on_terminal(self, columns, *arguments):
        parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = support.clean_environment()
        environment.pop("COLUMNS", None)
        process = subprocess.Popen([support.PROGRAM, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=child, stderr=child, env=environment)
        os.close(child)
        out = b""
        while True:
            try:
                piece = os.read(parent, 4096)
            except OSError:
                break
            if not piece:
                break
            out += piece
        os.close(parent)
        self.assertEqual(process.wait(), 0, out)
        return out.decode().replace("\r\n", "\n")

    def test_tables_fit(self):
        long_name = "a-rather-long-name-of-a-database-in-a-rather-deep-folder.db"
        config = self.config("dbs:\n  - path: @/%s\n    replica: {path: @/%s}\n" %
                             (long_name, "replica" * 10))
        wide = self.run_program("databases", "-config", config)
        self.assertIn(self.path(long_name), wide)
        narrow = self.on_terminal(60, "databases", "-config", config)
        self.assertTrue(all(len(line) <= 60 for line in narrow.splitlines()), narrow)
        self.assertIn("…", narrow)
        self.assertNotIn("…", wide)

    def test_bash_completes(self):
        script = ("source <(%s completion bash)\n"
                  "try() { COMP_WORDS=(litestream \"$@\"); COMP_CWORD=$#; COMPREPLY=(); _litestream;\n"
                  "        echo \"${COMPREPLY[@]}\"; }\n"
                  "try rep\ntry restore -time\ntry help unr\n" % shlex.quote(support.PROGRAM))
        status, out, errors = support.run(["bash", "-c", script])
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(out.splitlines(), ["replicate", "-timestamp", "unregister"])

    def test_other_shells_accept_their_scripts(self):
        for shell in ("zsh", "fish"):
            path = self.path("completion." + shell)
            with open(path, "w") as file:
                file.write(self.run_program("completion", shell))
            status, _, errors = support.run([shell, "-n", path])
            self.assertEqual((status, errors), (0, ""), shell)


if __name__ == "__main__":
    support.main()
