#!/usr/bin/env python3
"""
`make bench`: what each kind of exit costs, in instructions, beside other hypervisors; fails if one is too long.

KVM's column is Debian's Linux 6.1 with the same guest operations in the same emulator; the best of NOVA and BitVisor is
what their own guests measure of the same kind of exit. Keel's limit is a third of KVM's, and the best of those two.
"""
import re
import sys

import keel

# Guest's name for it: KVM (VMX in Bochs), the better one of NOVA and BitVisor where they have the like, the goal.
ROWS = {
    "nop": (None, None, None),
    "cpuid": (1099, 433, 90),
    "rdmsr APIC_BASE": (1261, None, 110),
    "wrmsr ignored": (1299, None, 110),
    "hypercall unknown": (1189, 524, 90),
    "in 0x21": (1482, 341, 130),
    "out 0x80": (7575, 341, 130),
    "in 0x40": (1470, 341, 160),
    "mmio read IOAPIC": (8035, None, 250),
    "mmio write IOAPIC": (8152, None, 250),
    "mmio read local APIC": (15883, None, 250),
    "in 0x10": (7518, 341, 130),
}


def measure():
    """The guest's figures, {name: instructions}."""
    conf = keel.vm("bench", memory="64M", kernel="bench", format="flat", load="0x8000", entry="long")
    with keel.Booted(conf, {"bench": keel.BUILD / "guests/bench.bin"}, megs=192, ips=100_000_000) as machine:
        machine.expect(r"^pass\r?$", 90)
        return {name: int(ticks) for name, ticks in re.findall(r"^bench (.+): (\d+)\r?$", machine.log, re.MULTILINE)}


def limit(row):
    kvm, other, _ = row
    return min(kvm // 3, other or kvm) if kvm else None


def table(figures):
    """The table as text, and the rows that are missing or too long."""
    problems = []
    lines = [f"{'instructions per exit':24} {'Keel':>8} {'KVM':>8} {'others':>8} {'limit':>8} {'goal':>8}"]
    for name, row in ROWS.items():
        kvm, other, goal = (str(value) if value else "-" for value in row)
        bound, found = limit(row), figures.get(name)
        bad = found is None or (bound and found > bound)
        problems += [name] if bad else []
        lines.append(f"{name:24} {'none' if found is None else found:>8} {kvm:>8} {other:>8} {bound or '-':>8} {goal:>8}"
                     f"{'  too long' if bad else ''}")
    return "\n".join(lines), problems


def main():
    text, problems = table(measure())
    print(text)
    if problems:
        sys.exit(f"over the limit: {', '.join(problems)}")


if __name__ == "__main__":
    main()
