#!/usr/bin/env python3
"""
`make exits`: how many exits Debian's kernel needs to its shell and off again, by reason, with APIC virtualization and
without, as a table in Markdown. VMX in Bochs. The first column has all that the processor has; Bochs's virtual-interrupt
delivery ignores RFLAGS.IF, so that the last steps may hang there: then it is tried again.
"""
import sys

import keel
from machine import Failure
from test_linux import CMDLINE, IPS, MEGS, Shell
from test_stats import rows

COLUMNS = [("all of it", "none"), ("without delivery", "virtual-interrupt delivery"), ("software alone", "use TPR shadow")]
TRIES = 3


def counts(off):
    """The exits of one boot, {reason: number}."""
    section = keel.vm("linux", memory="256M", kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}
    settings = f"[keel]\nreport = exits\ndisable = {off}\n"
    with keel.Booted(settings + section, files, megs=MEGS, ips=IPS) as machine:
        shell = Shell(machine).wait(500)
        shell.last("poweroff -f")
        machine.finish(120)
        return {reason: row[0] for reason, row in rows(machine.log).items() if not reason.startswith(" ")}


def measure(off):
    for attempt in range(TRIES):
        try:
            return counts(off)
        except Failure as failure:
            print(f"attempt {attempt + 1}: {str(failure).splitlines()[0]}", file=sys.stderr)
    return {}


def main():
    columns = [measure(off) for _, off in COLUMNS]
    print(f"| reason | {' | '.join(name for name, _ in COLUMNS)} |")
    print(f"|---|{'---:|' * len(COLUMNS)}")
    reasons = {reason for column in columns for reason in column}
    for reason in sorted(reasons, key=lambda reason: -max(column.get(reason, 0) for column in columns)):
        print(f"| {reason} | {' | '.join(f'{column.get(reason, 0):,}' for column in columns)} |")


if __name__ == "__main__":
    main()
