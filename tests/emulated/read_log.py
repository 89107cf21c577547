#!/usr/bin/env python3
"""
Keel's log out of a dump of a machine's memory: `read_log.py DUMP` prints it, the oldest line first.

struct log_ring (hv/host/log_ring.h) begins with a signature and the count of bytes ever written. It is found wherever it
lies in the dump, at any border of 8 bytes, so that a dump of physical memory, of the image's data or of a whole core file
will do.
"""
import pathlib
import struct
import sys

SIGNATURE = b"KEEL-LOG-RING-1\0"
TEXT = 32768


def find(dump):
    """The text of each log in the dump, as bytes; a copy of the image's file has no signature in it."""
    logs, at = [], -1
    while (at := dump.find(SIGNATURE, at + 1)) >= 0:
        head = at + len(SIGNATURE)
        if at % 8 or len(dump) < head + 8 + TEXT:
            continue
        written, = struct.unpack_from("<Q", dump, head)
        text, end = dump[head + 8:head + 8 + TEXT], written % TEXT
        logs.append(text[:end] if written <= TEXT else text[end:] + text[:end])
    return logs


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: read_log.py DUMP")
    logs = find(pathlib.Path(sys.argv[1]).read_bytes())
    if not logs:
        sys.exit(f"{sys.argv[1]} holds no log of Keel: the signature is {SIGNATURE[:-1].decode()}")
    for log in logs:
        sys.stdout.write(log.decode("ascii", "replace"))


if __name__ == "__main__":
    main()
