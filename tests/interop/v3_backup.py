"""Writes backups of the layout before 0.5 (generations/), from the description of it.

SQLite makes the WALs; this module only cuts them into segments and puts them into LZ4 frames of
stored blocks, so that no compressor is needed.
"""

import os
import sqlite3
import struct

HEADER = bytes([0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82])  # independent blocks of at most 64 KiB


def lz4_frame(content):
    blocks = [content[at:at + 65536] for at in range(0, len(content), 65536)]
    stored = b"".join(struct.pack("<I", len(block) | 0x80000000) + block for block in blocks)
    return HEADER + stored + bytes(4)


class Backup:
    """A database that is written to, and what the old program would have stored of it.

    states: {time: rows} after each stored segment; time is in whole seconds.
    """

    def __init__(self, folder, replica, generation="0123456789abcdef"):
        self.database = os.path.join(folder, "old.db")
        self.root = os.path.join(replica, "generations", generation)
        self.index, self.stored, self.now, self.states = 0, 0, 1_700_000_000, {}
        self.connection = sqlite3.connect(self.database, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA wal_autocheckpoint=0")
        self.connection.execute("CREATE TABLE t(v)")
        self.checkpoint()

    def checkpoint(self):
        self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _put(self, kind, name, content):
        self.now += 10
        os.makedirs(os.path.join(self.root, kind), exist_ok=True)
        path = os.path.join(self.root, kind, name)
        with open(path, "wb") as file:
            file.write(lz4_frame(content))
        os.utime(path, (self.now, self.now))

    def snapshot(self):
        with open(self.database, "rb") as file:
            self._put("snapshots", "%08x.snapshot.lz4" % self.index, file.read())

    def write(self, *sql):
        for statement in sql:
            self.connection.execute(statement)

    def committed_bytes(self):
        """Up to the end of the last commit of this WAL: its first frame's salts say which it is."""
        with open(self.database + "-wal", "rb") as file:
            wal = file.read()
        page_size = struct.unpack(">I", wal[8:12])[0]
        end = at = 32
        while at + 24 + page_size <= len(wal) and wal[at + 8:at + 16] == wal[16:24]:
            commit = struct.unpack(">I", wal[at + 4:at + 8])[0]
            at += 24 + page_size
            end = at if commit else end
        return wal[:end]

    def segment(self):
        wal = self.committed_bytes()
        self._put("wal", "%08x_%08x.wal.lz4" % (self.index, self.stored), wal[self.stored:])
        self.stored = len(wal)
        self.states[self.now] = self.rows()

    def next_wal(self):
        self.checkpoint()
        self.index, self.stored = self.index + 1, 0

    def rows(self):
        return self.connection.execute("SELECT v FROM t ORDER BY rowid").fetchall()

    def close(self):
        self.connection.close()


def story(folder, replica):
    """Two snapshots, three WALs, six segments, growth and a shrinking VACUUM."""
    backup = Backup(folder, replica)
    backup.snapshot()
    backup.write("INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(2)")
    backup.segment()
    backup.write("INSERT INTO t VALUES(randomblob(40000))")
    backup.segment()
    backup.next_wal()
    backup.write("INSERT INTO t VALUES(4)")
    backup.segment()
    backup.next_wal()
    backup.snapshot()
    backup.write("DELETE FROM t WHERE length(v) > 1000", "VACUUM")
    backup.segment()
    backup.write("INSERT INTO t VALUES(5)")
    backup.segment()
    backup.next_wal()
    backup.write("INSERT INTO t VALUES(6)")
    backup.segment()
    return backup
