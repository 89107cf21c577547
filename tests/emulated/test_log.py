"""
The log of a kernel in Keel beside the log of the same kernel, with the same ramdisk, on the emulated machine itself.

The lines about interrupts and time that only one of them has go to build/kernel-log.diff; a warning that only the guest
has fails the test.
"""
import difflib
import re

import keel
from registry import test

CMDLINE = "console=ttyS0,115200 quiet cryptomgr.notests"
TOPICS = re.compile(r"apic|timer|tsc|mtrr|\bpat\b|acpi|clocksource|clockevent|hpet|rtc|irq|pit\b|8259|i8042|xsave|x86/fpu", re.I)
WARNING = 4


def kernel_log(machine):
    """The log as (level, text) once the shell is up."""
    machine.expect(r"keel# ", 240)
    machine.send("dmesg -r; echo log-$((6*7))\n")
    machine.expect(r"^log-42\r?$", 120)
    found = re.findall(r"^<(\d+)>\[ *\d+\.\d+\] ?(.*?)\r?$", machine.log, re.MULTILINE)
    machine.send("poweroff -f\n")
    machine.finish(60)
    return [(int(level) & 7, text) for level, text in found]


def native_log(kernel):
    disk = keel.IMAGES / "native-linux.img"
    keel.image.boot_image(disk, kernel, [("initrd", keel.ramdisk(), "")], CMDLINE, "linux")
    with keel.Machine(megs=256, ips=50_000_000, ignore_bad_msrs=True) as machine:
        return kernel_log(machine.start(disk))


def guest_log(kernel):
    section = keel.vm(memory="256M", kernel="kernel", ramdisk="ramdisk", cmdline=CMDLINE)
    with keel.Booted(section, {"kernel": kernel, "ramdisk": keel.ramdisk()}, megs=400, ips=50_000_000) as machine:
        return kernel_log(machine)


def plain(text):
    """Without the numbers that differ from machine to machine."""
    return re.sub(r"\b(0x)?[0-9a-f]*\d[0-9a-f.]*\b", "#", text)


@test("linux/log beside the native one")
def warns_of_nothing_new():
    kernel = keel.kernel("cloud", "vmlinuz")
    native, guest = native_log(kernel), guest_log(kernel)
    keel.require(len(native) > 100 and len(guest) > 100, "there is no log to compare")
    lines = [[plain(text) for _, text in log if TOPICS.search(text)] for log in (native, guest)]
    difference = "\n".join(difflib.unified_diff(*lines, "native", "guest", "", "", 0, ""))
    (keel.BUILD / "kernel-log.diff").write_text(difference + "\n")
    known = {plain(text) for _, text in native}
    new = [text for level, text in guest if level <= WARNING and plain(text) not in known]
    keel.require(not new, "only the guest warns:\n" + "\n".join(new) + "\nall that differs:\n" + difference)
