#!/usr/bin/env python3
"""
`make trace-picture`: docs/trace-boot.svg, of Debian's kernel booting on two vCPUs, to its shell and off; in QEMU (SVM). Leaves
the log with its dump, for tools/trace2json.py, as build/trace-boot.log.
"""
import sys

import keel
import platforms
from test_linux import CMDLINE, MEGS, Shell

sys.path.insert(0, str(keel.ROOT / "tools"))

import trace2svg  # noqa: E402
import trace_dump  # noqa: E402

TITLE = "Debian's kernel boots on two vCPUs"


def boot():
    """What the serial port says of it."""
    conf = "[keel]\nreport = trace\ntrace = on\ntrace_size = 65536\n"
    conf += keel.vm("linux", memory="256M", vcpus=2, kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}
    platform = platforms.PLATFORMS["qemu-tcg-svm"]
    with keel.Booted(conf, files, megs=2 * MEGS, cpus=2, **platform.machine()) as machine:
        shell = Shell(machine).wait(500)
        shell.last("poweroff -f")
        machine.finish(500)
        return machine.log


def main():
    log = boot()
    (keel.BUILD / "trace-boot.log").write_text(log)
    dump = trace_dump.Dump(log)
    (keel.ROOT / "docs/trace-boot.svg").write_text(trace2svg.draw(dump, TITLE))
    print(f"{len(dump.records)} records, {dump.broken} broken: docs/trace-boot.svg")


if __name__ == "__main__":
    main()
