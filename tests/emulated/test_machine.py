"""Keel's own bring-up: any number of cores, other CPU models, and its page tables as the machine has them."""
import re
import struct
import tempfile

import bench
import keel
import pagewalk
from keel import Failure
from registry import each, on_each, test
from test_guests import binary, conf, judge


@each("machine", [(f"{cpus} cores", cpus) for cpus in (1, 2, 4, 8)])
def starts_on_every_core(cpus):
    """VMX is on everywhere, and a guest runs beside the other cores."""
    with keel.Booted(conf("long"), {"long": binary("long")}, cpus=cpus, megs=192, ips=10_000_000) as machine:
        machine.finish(keel.PATIENCE)
        for cpu in range(cpus):
            keel.require(re.search(rf"cpu {cpu}: VMX on", machine.log), machine.report(f"no VMX on cpu {cpu}"))
        keel.require(re.search(r"vm long: exited with status 1\b", machine.log), machine.report("the guest did not pass"))
        keel.require(re.search(r"pin-based controls", machine.log), machine.report("the controls are not named"))


@each("machine", [(model, model) for model in ("corei7_haswell_4770", "broadwell_ult", "tigerlake")])
def starts_on_model(model):
    """Processors with fewer features than the usual one, or more."""
    with keel.Booted(conf("mmio"), {"mmio": binary("mmio")}, model=model, megs=192, ips=20_000_000) as machine:
        machine.finish(keel.PATIENCE)
        keel.require(re.search(r"vm mmio: exited with status 1\b", machine.log), machine.report("the guest did not pass"))


@test("machine/no exit costs too much")
def exits_are_short():
    text, problems = bench.table(bench.measure())
    keel.require(not problems, text)


# In real mode: cpuid; jmp back to it. The machine is in Keel most of the time.
CPUID_FOR_EVER = bytes.fromhex("0fa2ebfc")


# In real mode, each for ever: cli; jmp. And the like with PAUSE, which waits for another.
GREEDY = [("spins with interrupts off", bytes.fromhex("faebfe")), ("pauses with interrupts off", bytes.fromhex("faf390ebfc"))]


@on_each("core/a guest that", GREEDY)
def shares_its_core(platform, code):
    """A guest that never leaves by itself leaves another one on its core its time."""
    greedy = keel.vm("greedy", memory="16M", kernel="greedy", format="flat", load="0x8000", entry="real")
    files = {"greedy": code, "long": binary("long")}
    with keel.Booted(greedy + conf("long"), files, megs=192, ips=20_000_000, **platform.machine()) as machine:
        machine.expect(r"vm greedy: started", keel.PATIENCE)
        machine.expect(r"vm long: exited with status 1\b", keel.PATIENCE)


# In real mode, for ever: hlt with interrupts off; with all of them masked; with the timer alone, stopped; an application
# processor never started beside it. And what waits for a key at COM1, by its interrupt, and ends with status 1.
GOOD_NIGHT = [
    ("off", "fa f4 ebfd", r"sleeps for good, its vcpu 0 at rip \.\.00008001: it halted with interrupts off"),
    ("masked", "b0ff e621 e6a1 fbf4 ebfd", r"sleeps for good, .*: no timer runs, and no device is enabled and unmasked"),
    ("stopped", "b0fe e621 b0ff e6a1 b030 e643 fbf4 ebfd", r"sleeps for good, .*: no timer runs"),
]
WAITS_FOR_A_KEY = bytes.fromhex("b0ef e621 b0ff e6a1 baf903 b001 ee bafc03 b008 ee fbf4 baf803 ec b000 e6f4")


@on_each("machine/sleeps for good", GOOD_NIGHT, ("bochs-vmx", "qemu-tcg-svm"))
def says_what_sleeps_for_good(platform, code, said):
    """A VM that nothing can wake is said, once; one that a key can wake is not."""
    vms = [keel.vm(name, memory="16M", vcpus=vcpus, kernel=name, format="flat", load="0x8000", entry="real", serial=serial)
           for name, vcpus, serial in (("sleeps", 2, "none"), ("waits", 1, "console"))]
    files = {"sleeps": bytes.fromhex(code), "waits": WAITS_FOR_A_KEY}
    with keel.Booted("".join(vms), files, megs=192, ips=20_000_000, cpus=2, **platform.machine()) as machine:
        machine.expect(rf"vm sleeps: {said}", keel.PATIENCE)
        machine.send("\x1d2")               # the escape key and a number: the keys are the other's
        machine.send("k")
        machine.expect(r"vm waits: exited with status 1\b", keel.PATIENCE)
        keel.require(len(re.findall("sleeps for good", machine.log)) == 1, machine.report("said more than once"))


@test("machine/no page is writable and executable")
def page_tables_hold():
    """The tables in use while a guest's exit is handled, read from outside by the emulator's debugger."""
    section = keel.vm("spin", memory="16M", kernel="spin", format="flat", load="0x8000", entry="real")
    with keel.Booted(section, {"spin": CPUID_FOR_EVER}, megs=192, ips=20_000_000, debugger=True) as machine:
        machine.expect(r"vm spin: started", keel.PATIENCE)
        debugger = pagewalk.Debugger(machine)
        while machine.receive(1):           # the guest runs once Keel says no more
            pass
        debugger.stop()
        debugger.step_until(lambda rip: rip >> 63)
        pages = list(pagewalk.walk(debugger))
    keel.require(any(page.writable for page in pages), "no page of Keel is writable: that cannot be")
    keel.require(any(page.executable for page in pages), "no page of Keel is executable: that cannot be")
    both = [page for page in pages if page.writable and page.executable]
    if both:
        raise Failure("writable and executable: " + ", ".join(f"{page.address:#x}" for page in both[:8]))
    user = [page for page in pages if page.user]
    if user:
        raise Failure("for user mode: " + ", ".join(f"{page.address:#x}" for page in user[:8]))


def spcr(space, address, irq, baud_code=7):
    """The body of ACPI's table that names the console's UART (SPCR), for QEMU's -acpitable."""
    uart = struct.pack("<4x4BQ", space, 8, 0, 1, address)
    return uart + struct.pack("<BBI6B", 1, irq, 0, baud_code, 0, 1, 0, 0, 0) + b"\xff" * 4 + bytes(12)


AT_COM2 = ["-serial", "none", "-device", "isa-serial,iobase=0x2f8,irq=3,chardev=com1"]
ELSEWHERE = ["-serial", "none", "-device", "isa-serial,iobase=0x5678,irq=5,chardev=com1"]
AT_PORT_E9 = ["-serial", "none", "-device", "isa-debugcon,iobase=0xe9,chardev=com1"]

# Machines of QEMU: what is said there, and what makes them.
MACHINES = [
    ("64 cores", r"smp: 64 cores", {"cpus": 64, "megs": 512}),
    ("sparse APIC ids", r"smp: 6 cores", {"cpus": "6,sockets=2,cores=3", "options": ["-machine", "q35"]}),
    ("8 GiB and a hole", r"memory: 7\d\d\d MiB for guests", {"cpus": 2, "megs": 8192, "options": ["-machine", "q35"]}),
    ("no PIT, no 8259", r"measured by the ACPI PM timer", {"options": ["-machine", "q35,pit=off,pic=off"]}),
    ("no ACPI", r"measured by the PIT[\s\S]*no I/O APIC brings", {"options": ["-machine", "pc,acpi=off"]}),
    ("no UART", r"no UART answers at COM1: .*nothing can be typed", {"uart": AT_PORT_E9}),
    ("console by SPCR", r"^\[.*Keel, a micro[\s\S]*the one that ACPI's SPCR", {"uart": AT_COM2, "table": spcr(1, 0x2f8, 3)}),
    ("console by SPCR elsewhere", r"the one that ACPI's SPCR names", {"uart": ELSEWHERE, "table": spcr(1, 0x5678, 5)}),
]


class Redirected(keel.Booted):
    """Keel on such a machine; `uart` where the console is, `table` an SPCR."""

    def __init__(self, conf, files, table=b"", options=(), **machine):
        with tempfile.NamedTemporaryFile(suffix=".spcr") as file:
            file.write(table)
            file.flush()
            named = ["-acpitable", f"sig=SPCR,rev=2,data={file.name}"] if table else []
            super().__init__(conf, files, options=[*options, *named], **machine)
            self.expect("Keel, a microhypervisor", keel.PATIENCE)   # the firmware has the table by now


@on_each("machine", MACHINES, ("qemu-tcg-svm",))
def starts_on_machine(platform, said, machine):
    """Keel says what it finds there, its page tables hold, and a guest passes."""
    with Redirected(conf("long"), {"long": binary("long")}, **platform.machine() | machine) as booted:
        booted.expect(r"all VMs are off", keel.PATIENCE)
        keel.require(re.search(said, booted.log, re.MULTILINE), booted.report(f"did not say: {said}"))
        judge(booted, "long")


# In real mode, from COM1's line status on: wait for a byte, send it back.
ECHO = bytes.fromhex("bafd03 ec a801 74fb b2f8 ec ee ebf2")


@test("machine/typing at a UART that ACPI names", "qemu-tcg-svm")
def the_spcrs_uart_hears():
    """What is typed there comes by the interrupt that the table names."""
    section = keel.vm("echo", memory="16M", kernel="echo", format="flat", load="0x8000", entry="real")
    with Redirected(section, {"echo": ECHO}, spcr(1, 0x5678, 5), uart=ELSEWHERE, kind="qemu") as machine:
        machine.expect(r"vm echo: started", keel.PATIENCE)
        machine.send("by irq 5\n")
        machine.expect(r"^by irq 5", 20)
