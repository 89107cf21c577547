#!/usr/bin/env python3
"""A busybox initramfs with a shell on the serial console: the same bytes from the same busybox."""
import gzip
import os
import pathlib
import sys

BUSYBOX = "/bin/busybox"

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
hostname keel
echo "Linux $(uname -r) is up, $(grep -c ^processor /proc/cpuinfo) CPU(s). poweroff leaves."
cd /root
while true; do
    setsid cttyhack /bin/sh
done
"""

# A shell as process 1's child: what ends the machine must not wait for an init that does not listen.
PROFILE = """export PS1='keel# ' HOME=/root TERM=${TERM:-vt100}
alias poweroff='poweroff -f' reboot='reboot -f' halt='halt -f'
"""

APPLETS = """ash awk basename cat chmod clear cp cttyhack cut date dd devmem df dirname dmesg echo env expr false find free
grep gunzip gzip halt head hexdump hostname hwclock id kill ln ls lsmod lspci mkdir mknod more mount mv nproc od pidof
ping poweroff ps pwd readlink reboot rm rmdir sed seq setsid sh sleep sort stat stty sync tail tar taskset tee test
time timeout top touch tr true tty umount uname uniq uptime usleep vi watch wc which xargs yes zcat""".split()

FILE, FOLDER, LINK, DEVICE = 0o100000, 0o040000, 0o120000, 0o020000


def member(inode, name, mode, data=b"", device=(0, 0)):
    """One member of a cpio archive in the "newc" format."""
    encoded = name.encode() + b"\0"
    links = 2 if mode & 0o170000 == FOLDER else 1
    numbers = (inode, mode, 0, 0, links, 0, len(data), 0, 0, device[0], device[1], len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % number for number in numbers) + encoded
    header += b"\0" * (-len(header) % 4)
    return header + data + b"\0" * (-len(data) % 4)


def archive(busybox, extra):
    """The whole archive. `extra` maps a path in it to bytes: files that are executable, in folders that exist."""
    rows = [(folder, FOLDER | 0o755) for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp")]
    rows += [("dev/console", DEVICE | 0o600, b"", (5, 1)), ("dev/null", DEVICE | 0o666, b"", (1, 3))]
    rows += [("bin/busybox", FILE | 0o755, busybox)]
    rows += [(f"bin/{applet}", LINK | 0o777, b"busybox") for applet in APPLETS]
    rows += [("init", FILE | 0o755, INIT.replace("setsid", "ENV=/etc/profile setsid").encode())]
    rows += [("etc/profile", FILE | 0o644, PROFILE.encode())]
    rows += [(path, FILE | 0o755, data) for path, data in sorted(extra.items())]
    members = b"".join(member(inode, *row) for inode, row in enumerate(rows, 1))
    return members + member(0, "TRAILER!!!", 0)


def build(path, extra=None):
    """Writes the initramfs, gzip-packed with no time stamp, and returns its path."""
    packed = gzip.compress(archive(pathlib.Path(BUSYBOX).read_bytes(), extra or {}), 6, mtime=0)
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(packed)
    os.replace(partial, path)
    return path


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: initramfs.py OUTPUT [PATH=FILE]...")
    pairs = (argument.split("=", 1) for argument in sys.argv[2:])
    build(sys.argv[1], {name: pathlib.Path(file).read_bytes() for name, file in pairs})
