"""APIC virtualization: the local APIC's guest with each of the controls off, and Linux with none and with all of them."""
import re

import keel
from keel import require
from registry import each
from test_guests import binary, conf, judge
from test_linux import CMDLINE, IPS, MEGS, Shell, power_off, says

# What is off, and what is on all the same. Bochs's virtual-interrupt delivery is not used unless it is asked for.
PAGE, X2APIC, REGISTERS = "virtualize APIC accesses", "virtualize x2APIC mode", "APIC-register virtualization"
SHADOW, DELIVERY = "use TPR shadow", "virtual-interrupt delivery"
OFF = [
    ("all of it", "none", [SHADOW, PAGE, X2APIC, REGISTERS, DELIVERY]),
    ("none of it", SHADOW, []),
    ("no page", f"none, {PAGE}", [SHADOW, X2APIC, REGISTERS, DELIVERY]),
    ("no registers", f"none, {REGISTERS}", [SHADOW, PAGE, X2APIC, DELIVERY]),
    ("no delivery", DELIVERY, [SHADOW, PAGE, X2APIC, REGISTERS]),
    ("no x2APIC", f"none, {X2APIC}", [SHADOW, PAGE, REGISTERS, DELIVERY]),
    ("TPR alone", f"{PAGE}, {X2APIC}, {REGISTERS}", [SHADOW]),
]
ALL = OFF[0][2]


def settings(off):
    return f"[keel]\ndisable = {off}\n"


def in_use(machine):
    """The controls that the log says are on."""
    lines = re.sub(r"\r?\n\[[^]]*\]     ", " ", machine.log).split("\n")
    lines = [line for line in lines if " controls 0x" in line]
    return {name for name in ALL if any(name in line for line in lines)}


@each("apic", OFF)
def works_without(off, others):
    text = settings(off) + conf("apic")
    with keel.Booted(text, {"apic": binary("apic")}, megs=192, ips=20_000_000) as machine:
        machine.finish(90)
        judge(machine, "apic")
        found = in_use(machine)
        require(found == set(others), machine.report(f"in use: {found}"))


# With all of it on, Bochs delivers interrupts where it must not now and then (docs/emulators.md): not among those of make test.
@each("long", [("linux/apic-virtual", "none", 2)])
@each("linux", [("apic-software", SHADOW, 2)])
def boots_on_two_processors(off, count):
    section = keel.vm("linux", memory="256M", vcpus=count, kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}
    with keel.Booted(settings(off) + section, files, megs=MEGS, ips=IPS, cpus=count) as machine:
        shell = Shell(machine).wait(500)
        says(machine, shell.run("nproc"), f"{count}\n")
        sums = shell.run("for i in 1 2 3 4; do (seq 1 1000 | awk '{ s += $1 } END { print s }') & done; wait")
        require(sums.split().count("500500") == 4, machine.report(f"wrong sums: {sums}"))
        power_off(machine, shell, "linux")
