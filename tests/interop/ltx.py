"""Reads LTX files and replica folders with nothing but the standard library.

Written from the format's description (ext/ltx/FORMAT.md), sharing no code with the extension, so
that a test can compare the extension with something other than itself. Slow: small files only.
"""

import os
import re
import struct

HEADER_SIZE = 100
TRAILER_SIZE = 16
NO_CHECKSUM = 0x2
SIZE_FOLLOWS = 0x1
LOCK_BYTE = 0x40000000
CHECKSUM_FLAG = 1 << 63
NAME = re.compile(r"^([0-9a-f]{16})-([0-9a-f]{16})\.ltx$")


class FormatError(Exception):
    pass


def _make_crc_table():
    table = []
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc >> 1) ^ (0xD800000000000000 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC_TABLE = _make_crc_table()


def crc64(data, crc=0):
    crc ^= 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFFFFFFFFFF


def page_checksum(page_number, page):
    return crc64(struct.pack(">I", page_number) + page) | CHECKSUM_FLAG


def database_checksum(data, page_size):
    """XOR of all page checksums but the lock page's; bit 63 set."""
    lock_page = LOCK_BYTE // page_size + 1
    checksum = 0
    for index in range(len(data) // page_size):
        if index + 1 != lock_page:
            page = data[index * page_size:(index + 1) * page_size]
            checksum ^= page_checksum(index + 1, page)
    return checksum | CHECKSUM_FLAG


def lz4_block(data, size):
    """The LZ4 block `data`, which must hold exactly `size` bytes."""
    out = bytearray()
    at = 0

    def length(value):
        nonlocal at
        if value == 15:
            while True:
                value += data[at]
                at += 1
                if data[at - 1] != 255:
                    break
        return value

    while at < len(data):
        token = data[at]
        at += 1
        literal_size = length(token >> 4)
        out += data[at:at + literal_size]
        at += literal_size
        if at == len(data):
            break
        distance = data[at] | data[at + 1] << 8
        at += 2
        match_size = length(token & 15) + 4
        if distance == 0 or distance > len(out):
            raise FormatError("lz4: bad distance")
        for _ in range(match_size):
            out.append(out[-distance])
    if len(out) != size:
        raise FormatError("lz4: %d bytes, not %d" % (len(out), size))
    return bytes(out)


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


class LtxFile:
    """One decoded file: the header's fields, `pages` {number: bytes}; raises FormatError."""

    def __init__(self, data):
        if data[:4] != b"LTX1" or len(data) < HEADER_SIZE + TRAILER_SIZE:
            raise FormatError("not an LTX file")
        (self.flags, self.page_size, self.commit, self.min_txid, self.max_txid, self.timestamp_ms,
         self.pre_apply_checksum, self.wal_offset, self.wal_size, self.wal_salt1, self.wal_salt2,
         self.node_id) = struct.unpack(">IIIQQQQQQIIQ", data[4:80])
        self.reserved = data[80:100]
        self.pages = {}
        self._data = data
        self._hashed = bytearray(data[:HEADER_SIZE])
        offsets, at = self._read_pages()
        self._read_index(offsets, at)
        self._check_shape()

    @property
    def chain_checksums(self):
        """(before, after) from the reserved bytes, or None."""
        if self.reserved[:4] != b"LSC1":
            return None
        return struct.unpack(">QQ", self.reserved[4:])

    def _read_pages(self):
        data, at, offsets = self._data, HEADER_SIZE, []
        while data[at:at + 6] != bytes(6):
            number, flags = struct.unpack(">IH", data[at:at + 6])
            if flags != SIZE_FOLLOWS:
                raise FormatError("page %d: flags %#x" % (number, flags))
            size = struct.unpack(">I", data[at + 6:at + 10])[0]
            page = lz4_block(data[at + 10:at + 10 + size], self.page_size)
            if self.pages and number <= max(self.pages):
                raise FormatError("page %d: out of order" % number)
            self.pages[number] = page
            self._hashed += data[at:at + 10] + page
            offsets.append((number, at, 10 + size))
            at += 10 + size
        self._hashed += bytes(6)
        return offsets, at + 6

    def _read_index(self, offsets, start):
        data, at, index = self._data, start, []
        while True:
            number, at = _varint(data, at)
            if number == 0:
                break
            offset, at = _varint(data, at)
            size, at = _varint(data, at)
            index.append((number, offset, size))
        if index != offsets:
            raise FormatError("page index does not match the pages")
        if struct.unpack(">Q", data[at:at + 8])[0] != at - start:
            raise FormatError("page index: wrong length")
        self._hashed += data[start:at + 16]
        self.post_apply_checksum, stored = struct.unpack(">QQ", data[at + 8:at + 24])
        if len(data) != at + 24:
            raise FormatError("bytes after the trailer")
        if stored != crc64(self._hashed) | CHECKSUM_FLAG:
            raise FormatError("bad file checksum")

    def _check_shape(self):
        if self.flags != NO_CHECKSUM or self.pre_apply_checksum or self.post_apply_checksum:
            raise FormatError("checksum fields of a file without checksums")
        lock_page = LOCK_BYTE // self.page_size + 1
        if any(number > self.commit or number == lock_page for number in self.pages):
            raise FormatError("a page that must not be there")
        if self.min_txid == 1:
            expected = [n for n in range(1, self.commit + 1) if n != lock_page]
            if sorted(self.pages) != expected:
                raise FormatError("a snapshot without all pages")


def list_files(root, levels=range(10)):
    """[(level, min_txid, max_txid, path)] of a file replica, by level and TXID."""
    files = []
    for level in levels:
        folder = os.path.join(root, "ltx", str(level))
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            match = NAME.match(name)
            if match:
                path = os.path.join(folder, name)
                files.append((level, int(match[1], 16), int(match[2], 16), path))
    return files


def read_file(path):
    with open(path, "rb") as file:
        data = file.read()
    ltx = LtxFile(data)
    match = NAME.match(os.path.basename(path))
    if (ltx.min_txid, ltx.max_txid) != (int(match[1], 16), int(match[2], 16)):
        raise FormatError("%s: the name does not match the header" % path)
    return ltx


def plan(root, target=None):
    """The files that lead to `target` (default: as far as the replica goes), oldest first."""
    files = list_files(root)
    if target is None:
        target = max(f[2] for f in files)
    snapshots = [f for f in files if f[1] == 1 and f[2] <= target]
    if not snapshots:
        raise FormatError("no snapshot at or before %d" % target)
    steps = [max(snapshots, key=lambda f: (f[2], f[0]))]
    while steps[-1][2] < target:
        have = steps[-1][2]
        following = [f for f in files if f[0] < 9 and f[1] <= have + 1 and have < f[2] <= target]
        if not following:
            raise FormatError("nothing continues %d" % have)
        steps.append(max(following, key=lambda f: (f[2], -f[1], f[0])))
    return steps


def restore(root, target=None):
    """The database at `target`, as bytes. Checks every checksum on the way."""
    pages, last = {}, None
    for _, _, _, path in plan(root, target):
        last = read_file(path)
        pages.update(last.pages)
        pages = {n: page for n, page in pages.items() if n <= last.commit}
    empty = bytes(last.page_size)
    data = b"".join(pages.get(n, empty) for n in range(1, last.commit + 1))
    chain = last.chain_checksums
    if chain and chain[1] and chain[1] != database_checksum(data, last.page_size):
        raise FormatError("the database does not have the checksum that its last file promises")
    return data
