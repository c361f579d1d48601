#!/usr/bin/python3
"""A restore from S3 of a database much larger than the memory it may take.

LITESTREAM_RESTORE_MIB is its size, 256 unless told; ctest runs it with 1024 under the label `large`.
"""

import os
import subprocess
import sys

import s3_servers
import support
from s3_test import S3Case


class Memory(S3Case):
    """A restore streams: what it needs does not grow with the database."""

    MEASURE = ("import resource, subprocess, sys\n"
               "code = subprocess.run(sys.argv[1:], stdin=sys.stdin).returncode\n"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
               "sys.exit(code)\n")
    LIMIT_KIB = 64 << 10
    SIZE_MIB = int(os.environ.get("LITESTREAM_RESTORE_MIB", "256"))

    def setUp(self):
        super().setUp()
        self.start(s3_servers.strict())

    def peak_kib(self, script):
        load = ".load %s\n" % support.EXTENSION[:-len(".so")]
        status, out, errors = support.run(
            [sys.executable, "-c", self.MEASURE, support.SHELL, "-batch"], load + script,
            self.bucket.environment(), self.folder, timeout_s=600)
        self.assertEqual((status, errors), (0, ""), out)
        return int(out.splitlines()[-1])

    def test_a_database_far_larger_than_the_limit(self):
        # Pages of which a quarter is random: the replica stays in the server's memory.
        page_count = self.SIZE_MIB * 16
        make = ("PRAGMA page_size = 65536;\nPRAGMA journal_mode = WAL;\nCREATE TABLE b(v);\n"
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)\n"
                "INSERT INTO b SELECT randomblob(16000) || zeroblob(48000) FROM n;\n"
                "PRAGMA wal_checkpoint(TRUNCATE);\n" % page_count)
        status, _, errors = support.shell(make, self.database)
        self.assertEqual((status, errors), (0, ""))
        self.assertGreaterEqual(os.path.getsize(self.database), self.SIZE_MIB << 20)
        self.replicate("SELECT litestream_sync(NULL, 300000);\n")
        output = self.path("restored.db")
        nothing = self.peak_kib("SELECT count(*) FROM litestream_ltx WHERE database = '%s';\n" %
                                self.url)
        peak = self.peak_kib("SELECT litestream_restore('%s', '%s');\n" % (self.url, output))
        self.assertEqual(subprocess.run(["cmp", self.database, output], check=False).returncode, 0)
        print("restore of %d MiB: %.1f MiB more than a listing" %
              (self.SIZE_MIB, (peak - nothing) / 1024.0))
        self.assertLess(peak - nothing, self.LIMIT_KIB)


if __name__ == "__main__":
    support.main()
