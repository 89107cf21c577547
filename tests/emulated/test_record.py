"""What is recorded of a VM, replayed on this machine by the same code."""
import re

import keel
import recording
from keel import require
from monitor import Monitor
from registry import on_each
from test_guests import binary, conf
from test_linux import Shell

MEGS = 400
BOTH = ("bochs-vmx", "qemu-tcg-svm")


def without_difference(machine, stream, least):
    said, status = recording.replay(stream)
    found = re.fullmatch(r"(\d+) exits replayed, no difference\n", said)
    require(status == 0 and found, machine.report(f"the replay ends with {status}:\n{said}"))
    require(int(found[1]) >= least, f"{found[1]} exits, {least} are the least")
    counted = re.search(r"(\d+) exits recorded, (\d+) bytes", machine.log)
    require(counted and counted.groups() == (found[1], str(len(stream))),
            f"Keel said {counted and counted[0]}, here are {found[1]} exits in {len(stream)} bytes")


@on_each("record", [("a guest", "mmio")], BOTH)
def records_a_guest_over_a_port(platform, guest):
    with recording.Recorded(conf(guest) + "record = com2\n", {guest: binary(guest)}, megs=192, **platform.machine()) as machine:
        machine.finish(120)
        stream = machine.heard()
        without_difference(machine, stream, 300)
    said, status = recording.replay(stream, "--flip", "ioapic:0")
    require(status == 1 and "device   ioapic, memory 0xfec00000 to" in said, f"a bit of the I/O APIC's is not found:\n{said}")
    said, status = recording.replay(stream[:len(stream) // 2])
    require(status == 3 and "without its end mark" in said, f"half a recording, exit status {status}:\n{said}")
    torn = bytearray(stream)
    del torn[len(torn) // 2]
    said, status = recording.replay(torn)
    require(status == 2 and "The recording is damaged" in said, f"a byte is missing, exit status {status}:\n{said}")


class Watched(keel.Booted):
    """A machine of QEMU's whose memory can be read from outside."""

    def qemu_command(self, image, numbers):
        self.monitor = Monitor(self.folder)
        return super().qemu_command(image, numbers) + self.monitor.options


def taken_from(machine, kind):
    if kind == "bochs":
        return recording.out_of_memory(machine, 120)
    length, address = machine.expect(recording.PLACE, 120).groups()
    before = 32  # struct record_buffer
    found = recording.find(machine.monitor.attach().memory(int(address, 16) - before, int(length) + before))
    require(len(found) == 1, machine.report("its memory has no recording"))
    return found[0]


@on_each("record", [("debian", 20000)], BOTH)
def records_a_boot_of_debian_from_its_first_exit_to_its_last(platform, least):
    conf_text, files = recording.debian("memory,10M")
    options = platform.machine()
    kind = options.get("kind", "bochs")
    with Watched("[keel]\nall_off = monitor\n" + conf_text, files, megs=MEGS, ips=50_000_000, debugger=kind == "bochs",
                 **options) as machine:
        Shell(machine).wait(300).last("poweroff -f")
        without_difference(machine, taken_from(machine, kind), least)
