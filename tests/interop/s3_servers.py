"""S3 servers for the interop tests: ours, which is strict, and moto, which is somebody else's.

Both are programs that tell where they listen and whose keys they know in a line of JSON, and take
commands on their standard input (tests/support/s3_server_main.cc, hosts/moto_server.py).
"""

import json
import os
import re
import subprocess

import support

STRICT = os.path.abspath(os.environ.get("LITESTREAM_S3_SERVER", "s3_server"))
MOTO = os.path.abspath(os.environ.get("LITESTREAM_MOTO", "moto"))
LEVEL = re.compile(r"^([0-9a-f]{4})$")


class Bucket:
    """A running server and its one bucket; `info` has url, bucket, region, access_key, secret_key."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True,
                                        env=support.clean_environment())
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the S3 server does not start: %s" % (command,))
        self.info = json.loads(line)

    def command(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=support.TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def environment(self, **extra):
        """What a process needs to reach it: the endpoint and the keys from the same source."""
        return {**support.clean_environment(
            LITESTREAM_S3_ENDPOINT=self.info["url"], AWS_REGION=self.info["region"],
            AWS_ACCESS_KEY_ID=self.info["access_key"],
            AWS_SECRET_ACCESS_KEY=self.info["secret_key"]), **extra}

    def url(self, prefix="app"):
        return "s3://%s/%s" % (self.info["bucket"], prefix)

    def dump(self, folder, prefix="app"):
        """The replica as a folder that ltx.py reads; the levels get their decimal names."""
        raw = os.path.join(folder, "raw")
        self.command("dump " + raw)
        replica = os.path.join(folder, "replica")
        for name in os.listdir(os.path.join(raw, prefix)):
            if LEVEL.match(name):
                target = os.path.join(replica, "ltx", str(int(name, 16)))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(os.path.join(raw, prefix, name), target)
        return replica


def strict(*flags):
    return Bucket(STRICT, *flags)


def moto():
    return Bucket(os.path.join(MOTO, "bin", "python"),
                  os.path.join(support.HERE, "hosts", "moto_server.py"))
