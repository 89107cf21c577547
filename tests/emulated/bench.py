#!/usr/bin/env python3
"""
`make bench`: what each kind of exit costs, in instructions, beside other hypervisors; fails if one is too long.

VMX in Bochs, or SVM in QEMU TCG with VENDOR=svm. KVM's column is Debian's Linux 6.1 with the same guest operations in the
same emulator; the others are the best of NOVA and BitVisor, on SVM Xen, by what guests measure there of the same kind of
exit. Keel's limit is a third of KVM's, and the best of those.
"""
import os
import pathlib
import re
import sys

import keel
import platforms

# Guest's name for it: KVM, the best of the others where they have the like, the goal.
VMX = {
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
    "local APIC: EOI": (None, None, 10),
    "local APIC: TPR": (None, None, 10),
    "local APIC: self IPI": (None, None, 10),
    "in 0x10": (7518, 341, 130),
}
SVM = {
    "nop": (None, None, None),
    "cpuid": (2961, 809, 130),
    "rdmsr APIC_BASE": (3077, None, 150),
    "wrmsr ignored": (3089, None, 150),
    "hypercall unknown": (3245, None, 130),
    "in 0x21": (1721, 1029, 170),
    "out 0x80": (3544, 1029, 170),
    "in 0x40": (1748, 1029, 200),
    "mmio read IOAPIC": (4132, None, 300),
    "mmio write IOAPIC": (4034, None, 300),
    "mmio read local APIC": (3946, None, 300),
    "local APIC: EOI": (None, None, 300),
    "local APIC: TPR": (None, None, 150),
    "local APIC: self IPI": (None, None, 400),
    "in 0x10": (3594, 1029, 170),
}
ROWS = {"vmx": ("bochs-vmx", VMX), "svm": ("qemu-tcg-svm", SVM)}


def figures(machine):
    """What the guest on this machine measures, {name: instructions}."""
    machine.expect(r"^pass\r?$", 90)
    return {name: int(ticks) for name, ticks in re.findall(r"^bench (.+): (\d+)\r?$", machine.log, re.MULTILINE)}


def image(vendor):
    return keel.BUILD / f"guests/bench{'-svm' if vendor == 'svm' else ''}.bin"


def booted(vendor, kernel=keel.KEEL, settings="", options=(), **more):
    """Keel with the guest that measures, these lines in [keel], and these options of the emulator."""
    machine = platforms.PLATFORMS[ROWS[vendor][0]].machine(steady=True)
    machine["options"] = [*machine["options"], *options]
    # All that the processor has, that of which Bochs's is not to be trusted with interrupts too: see docs/emulators.md.
    conf = "[keel]\n" + ("disable = none\n" if vendor == "vmx" else "") + settings
    conf += keel.vm("bench", memory="64M", kernel="bench", format="flat", load="0x8000", entry="long")
    return keel.Booted(conf, {"bench": image(vendor)}, kernel, megs=192, ips=100_000_000, **machine, **more)


def measure(vendor="vmx", kernel=keel.KEEL, settings=""):
    """The guest's figures, {name: instructions}, in this Keel with these lines in [keel]."""
    with booted(vendor, kernel, settings) as machine:
        return figures(machine)


def limit(row):
    kvm, other, _ = row
    return min(kvm // 3, other or kvm) if kvm else None


def table(measured, vendor="vmx"):
    """The table as text, and the rows that are missing or too long."""
    problems = []
    lines = [f"{f'instructions per exit, {vendor}':26} {'Keel':>8} {'KVM':>8} {'others':>8} {'limit':>8} {'goal':>8}"]
    for name, row in ROWS[vendor][1].items():
        kvm, other, goal = (str(value) if value else "-" for value in row)
        bound, found = limit(row), measured.get(name)
        bad = found is None or (bound and found > bound)
        problems += [name] if bad else []
        lines.append(f"{name:26} {'none' if found is None else found:>8} {kvm:>8} {other:>8} {bound or '-':>8} {goal:>8}"
                     f"{'  too long' if bad else ''}")
    return "\n".join(lines), problems


def print_costs(bare):
    """`make bench-costs`: the same without statistics, as it is, and with the trace on; both vendors, in Markdown."""
    columns = [measure(vendor, *how) for vendor in ROWS for how in ((bare,), (), (keel.KEEL, "trace = on\n"))]
    print("| | VMX, no statistics | with them | and the trace | SVM, no statistics | with them | and the trace |")
    print(f"|---|{'---:|' * len(columns)}")
    for name in VMX:
        print(f"| {name} | {' | '.join(str(column.get(name, '-')) for column in columns)} |")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "costs":
        print_costs(pathlib.Path(sys.argv[2]))
        return
    vendor = os.environ.get("VENDOR") or "vmx"
    if vendor not in ROWS:
        sys.exit(f"VENDOR={vendor}: there are {', '.join(ROWS)}")
    text, problems = table(measure(vendor), vendor)
    print(text)
    if problems:
        sys.exit(f"over the limit: {', '.join(problems)}")


if __name__ == "__main__":
    main()
