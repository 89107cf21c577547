"""The monitor on the serial console: every command, and what it has to say."""
import re

import keel
from keel import require
from registry import on_each, test
from test_gdb import expect_in_order, gdb
from test_guests import binary

ESCAPE = "\x1d"
PROMPT = r"keel> "
PLACE = 0x400000  # of guests/watched.asm: its count, and 16 bytes on, known text


class Monitor:
    """A booted Keel with the monitor open."""

    def __init__(self, machine):
        self.machine = machine
        self.open()

    def open(self):
        self.machine.send(ESCAPE + "m")
        self.machine.expect(r"Keel's monitor: .*\r\n.*" + PROMPT, 30)

    def say(self, line, *patterns, limit=30):
        """Types a line; returns what is said up to the next prompt, which has each of the patterns, in this order."""
        self.machine.send(line + "\r")
        self.machine.expect(re.escape(line) + r"\r\n", limit)
        begin = self.machine.seen
        self.machine.expect(r"^\r?" + PROMPT, limit)
        said = self.machine.log[begin:self.machine.seen].replace("\r", "")
        at = 0
        for pattern in patterns:
            found = re.compile(pattern, re.MULTILINE).search(said, at)
            require(found, self.machine.report(f"`{line}` did not say {pattern!r} behind character {at} of:\n{said}"))
            at = found.end()
        return said

    def count(self, name="one"):
        """The count that the guest keeps."""
        said = self.say(f"pmem {name} {PLACE:x} 8")
        found = re.search(rf"{PLACE:016x}  ((?:[0-9a-f]{{2}} ){{8}})", said)
        require(found, self.machine.report(f"no count in:\n{said}"))
        return int.from_bytes(bytes.fromhex(found.group(1)), "little")


def watched(name, **keys):
    return keel.vm(name, memory="16M", kernel="watched", format="flat", load="0x8000", entry="long", **keys)


def symbol(name):
    """The address of a label in the guest's listing."""
    lines = (keel.BUILD / "guests/watched.lst").read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if line.endswith(f"{name}:"))
    return 0x8000 + next(int(line.split()[1], 16) for line in lines[at:] if re.match(r"\s*\d+ [0-9A-F]{8} ", line))


def look(monitor):
    """What only looks, at a VM that runs."""
    said = monitor.say("help", r"^help +this list$", r"^mem VM\[\.VCPU\] ADDRESS \[COUNT\] \[BITS\] +memory by linear")
    monitor.say("vms", r"^ 1 one +running +2 +16 MiB +100 +- +\d+\.\d{3} s +\d+\.\d% +[1-9]\d* exits$", r"^ 2 off +off +1 +16 MiB  not started yet: autostart = no$")
    monitor.say("vcpus", r"^one\.0 +(runs|ready) +core +\d +\d+\.\d{3} s +\d+\.\d% +[1-9]\d* exits$", r"^one\.1 +waits for SIPI +core")
    monitor.say("vcpus off", r"^off is off$")
    monitor.say("regs one", r"^one\.0: 64-bit mode, CPL 0$", r"^rax +a1a2a3a4a5a6a7a8 ", r"rbx +b1b2b3b4b5b6b7b8$", r"r15 +f1f2f3f4f5f6f7f8$",
                r"^rip +000000000000[89][0-9a-f]{3} ", r"cr0 +0{8}8[0-9a-f]{7} ", r"cr3 +0000000000071000 ",
                r"efer +[0-9a-f]{13}500 ", r"xcr0 +0000000000000001 ", r"dr1 +0000000000112233$",
                r" cs +0008 base 0{16} limit ffffffff flags 0a09b$", r"idtr +0000 base 0000000000070000 limit 00000fff",
                r"^cr8 +0{16}  TSC offset [0-9a-f]{16}$", r"LSTAR +ffff812345678abc", r"^code:.* <(48|eb)>", r"^backtrace by rbp:$", r"^95[0-9a-f]{2}$")
    monitor.say("regs one.1", r"^one\.1: real mode")
    monitor.say(f"mem one {PLACE + 16:x} 20", r"^0{10}400010  6b 6e 6f 77 6e 20 74 6f 20 61 6c 6c 00 01 02 ff  known to all\.{4}$",
                r"^0{10}400020  00 00 00 00 {38}")
    monitor.say(f"mem one {PLACE + 16:x} 16 16", r"^0{10}400010  6e6b 776f 206e 6f74 6120 6c6c 0100 ff02$")
    monitor.say(f"mem one {PLACE + 17:x} 8 32", r"^0{10}400011  6e776f6e 206f7420$")
    monitor.say(f"pmem one {PLACE + 16:x} 24 64", r"^0{10}400010  6f74206e776f6e6b ff0201006c6c6120$", r"^0{10}400020  0{16}$")
    monitor.say("mem one 0xfffffffff8 32", r"No memory is mapped at 0xfffffffff8")
    monitor.say(f"pmem one {PLACE + 16:x} 16", r"known to all")
    monitor.say("pmem one fffff0 32", r"^0{10}fffff0 ", r"^one has no RAM at 0x1000000$")
    monitor.say("translate one 400123", r"PML4E at +0*71000", r"PDPTE at +0*72000", r"PDE +at 0*73010: 0*4000[0-9a-f]7 ",
                r"guest-physical 400123", r"nested level \d at .* R")
    monitor.say("translate one ffffffffff000", r"page fault|canonical|a read now")
    monitor.say("vmcs one", r"0x[0-9a-f]+", r"No check forbids the entry")
    monitor.say("cpuid one", r"^00000001\.0 ecx: hides [0-9a-f]{8} of: ")
    monitor.say("devs one", r"^pic master, ports 0x20-0x21$", r"^pit, ports 0x40", r"^rtc, ports 0x70", r"ioapic, memory 0xfec00000",
                r"^one\.0:$", r"local apic, memory 0xfee00000", r"^one\.1:$", r"accesses that nobody answered")
    said = monitor.say("irq one", r"^pic master", r"^ioapic", r"^pin +1 vector 0x61 fixed edge", r"^pin +9 vector 0x69 fixed level", r"^isr", r"^irr", r"^tmr")
    require("rtc" not in said, f"irq shows the clock:\n{said}")
    monitor.say("exits one", r"^reason +count +total", r"^I/O instruction +\d+", r"^  com1 3f8-3ff +[1-9]\d+ ", r"^all +[1-9]\d+ .*100\.0%")
    monitor.say("bars one", r"^ +from +count", r"^I/O instruction", r"^ +\d+ +\d+ #+")
    monitor.say("forget one")
    said = monitor.say("exits one", r"^reason +count")
    require("com1" not in said, f"the UART's exits were not forgotten:\n{said}")
    monitor.say("timers", r"^core +0 +[-\d]+\.\d{6} s +[a-z_]+$")
    monitor.say("timers", r"^core +\d +[-\d]+\.\d{6} s +expired of one$")
    monitor.say("queues", r"^core +0: ", r"^core +1: ")
    monitor.say("memory", r"^guests: \d+ MiB, \d+ MiB free", r"^Keel: \d+ KiB", r"^one: 16 MiB$", r"^    0x0-0xffffff at 0x[0-9a-f]+$")
    said = monitor.say("log 3")
    require(len(re.findall(r"^\[ +\d+\.\d{6} cpu", said, re.MULTILINE)) == 3, f"log 3 says:\n{said}")


def refuse(monitor):
    """What is typed wrong is told so, with what would be right."""
    for line, answer in [("xyz", 'There is no command "xyz": see `help`'), ("regs", r"VM\[\.VCPU\] is missing: regs VM"),
                         ("regs two", 'There is no VM "two", but: one off'), ("regs one.2", 'one has no vCPU "2": they are 0 to 1'),
                         ("regs off", "off is off"), ("mem one 12x", 'ADDRESS: "12x" is not a hexadecimal number'),
                         ("mem one 0 5000", 'COUNT: "5000" is not a number from 1 to 4096'),
                         ("mem one 0 16 24", "BITS is 8, 16, 32 or 64"), ("keys one ffff", 'KEY: "ffff" is not a hexadecimal number from 1 to e0ff'),
                         ("inject one 8", 'VECTOR: "8" is not a number from 16 to 255'), ("vms 1", '"1" is too much: vms'),
                         ("start one", "one: it "), ("resume one", "one: it is not paused")]:
        monitor.say(line, answer)


def comes(monitor, line):
    """The guest says that, before the prompt or behind it; then the prompt is shown again."""
    machine = monitor.machine
    if f"\n{line}" not in machine.log[:machine.seen]:
        machine.expect(re.escape(line) + r"\r\n", 30)
        machine.expect(PROMPT, 30)


def steer(monitor):
    """What changes a VM."""
    first = monitor.count()
    require(monitor.count() > first, "the guest does not count")
    monitor.say("pause one", r"^one: paused$")
    monitor.say("vms", r"one +paused")
    monitor.say("vcpus one", r"one\.0 +paused")
    first = monitor.count()
    require(monitor.count() == first, "a paused guest counts")
    spin, steps = symbol("spin"), []
    for _ in range(3):
        said = monitor.say("step one", r"one\.0: 0x[0-9a-f]+ -> 0x[0-9a-f]+, next (48 ff 07|eb fb)")
        steps.append(tuple(int(value, 16) for value in re.search(r"0x(\w+) -> 0x(\w+)", said).groups()))
    for here, there in steps:
        require((here, there) in ((spin, spin + 3), (spin + 3, spin)), f"steps of {spin:#x}: {steps}")
    require(first + 1 <= monitor.count() <= first + 2, "three steps are one or two rounds")
    monitor.say("step one.1", r"one\.1 runs no instruction")
    monitor.say("vms", r"one +paused")
    monitor.say("resume one", r"^one: goes on$")
    first = monitor.count()
    require(monitor.count() > first, "a resumed guest does not count")
    trace(monitor)
    monitor.say("nmi one", r"one: sent")
    comes(monitor, "one| an NMI")
    monitor.say("inject one 0x51", r"one: sent")
    comes(monitor, "one| interrupt 00000051")
    monitor.say("button one", r"one: sent")
    comes(monitor, "one| power button: PM1 status 00000100")
    monitor.say("break one", r"one: sent")
    comes(monitor, "one| line status 000000f9")    # data, framing error, break, transmitter empty, one in the FIFO
    monitor.say("keys one 14 11 e071", r"one: sent")    # Ctrl-Alt-Del
    for code in (0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d):
        comes(monitor, f"one| key {code:08x}")


def trace(monitor):
    """On, off, and what was there; test_trace.py looks at what it says of exits."""
    monitor.say("trace", r"^trace: off$")
    monitor.say("trace on two", r'^trace: "two" is no VM, VM\.VCPU or ip=FIRST-LAST, and begins the name of no reason of an exit$', r"^trace: off$")
    monitor.say("trace on one.0", r"^trace: on; core 0: \d+ of 4096, 0 lost; core 1: \d+ of 4096, 0 lost$")
    monitor.say("pause one", r"paused")
    monitor.say("trace clear", r"^trace: on; core 0: 0 of")
    monitor.say("resume one", r"goes on")
    monitor.say("pause one", r"paused")
    monitor.say("trace dump", r"^trace: \d+ records, 0 lost, \d+ ticks a second$", r"^@\d+\.\d{9} cpu\d one\.0 run$",
                r"^@\d+\.\d{9} cpu\d one\.0 exit ip=[89][0-9a-f]{3} q=0 .*cost=[1-9]\d* then=leave .*: ", r"one\.0 left$", r"^trace: end$")
    said = monitor.say("trace dump 2", r"^trace: 2 records")
    require(len(re.findall(r"^@", said, re.MULTILINE)) == 2, f"not two records:\n{said}")
    monitor.say("trace off", r"^trace: off; core 0: ")
    monitor.say("trace clear", r"^trace: off; core 0: 0 of 4096, 0 lost; core 1: 0 of 4096, 0 lost$")
    monitor.say("resume one", r"goes on")
    monitor.say("trace dump", r"^trace: 0 records, 0 lost", r"^trace: end$")


def live(monitor):
    """The life of VMs, and the focus."""
    machine = monitor.machine
    monitor.say("start off", r"off: is being started")
    machine.expect(r"off\| ready", 30)
    machine.expect(PROMPT, 30)
    machine.send("focus off\r")  # Keel's line, before the next prompt or behind it
    machine.expect(r"console: 2 off has the focus", 30)
    monitor.say("reset off", r"off: is being reset")
    machine.expect(r"off\| ready", 30)
    machine.expect(PROMPT, 30)
    monitor.say("stop off", r"off: is being stopped")
    machine.expect(r"vm off: stopped", 30)
    machine.expect(PROMPT, 30)


def edit(monitor):
    """Keys: completion, history, the cursor."""
    machine = monitor.machine
    machine.send("foc\t\x15vm\t\t")
    machine.expect(r"focus ", 30)
    machine.expect(r"vms; vmcs", 30)
    machine.send("\x15regs o\t")
    machine.send("ne\x01\x0b\x03")
    machine.expect(r"\^C\r\n\r?" + PROMPT, 30)
    machine.send("memoryX\x7f\r")
    machine.expect(r"guests: ", 30)
    machine.expect(r"^\r?" + PROMPT, 30)
    machine.send("\x1b[A\r")
    machine.expect(r"guests: ", 30)
    machine.expect(r"^\r?" + PROMPT, 30)


def leave_and_return(monitor):
    machine = monitor.machine
    for key in ("exit\r", "\x04", ESCAPE):
        machine.send(key)
        machine.send("x" if key == "\x04" else "")
        monitor.open()


@on_each("monitor/session", [("every command",)], ["bochs-vmx", "bochs-svm", "qemu-tcg-svm"])
def every_command(platform):
    # On both cores, QEMU's first too: on the other one nothing of the machine's comes, and a VM that spins there never exits.
    conf = watched("one", vcpus="2", cpus="0-1") + watched("off", autostart="no")
    with keel.Booted(conf, {"watched": binary("watched")}, megs=128, cpus=2, **platform.machine()) as machine:
        machine.expect(r"^ready\r\n", keel.PATIENCE)
        monitor = Monitor(machine)
        for part in (look, refuse, steer, live, edit, leave_and_return):
            part(monitor)
        machine.send("top\r")
        machine.expect(r"core +busy +vcpus", 30)
        machine.expect(r"^one +running +\d+\.\d\d", 30)
        machine.expect(r"^one +running +[01]\.\d\d +[1-9]\d*  \d+ \w+", 30)
        machine.send("q")
        machine.expect(r"^\r?" + PROMPT, 30)
        machine.send("poweroff\r")
        machine.expect(r"monitor: powering off the machine", 30)
        machine.finish(30)


@test("monitor/all_off = monitor", platform="qemu-tcg-svm")
def opens_when_all_is_off():
    with keel.Booted("[keel]\nall_off = monitor\n" + watched("one"), {"watched": binary("watched")}, megs=128, kind="qemu",
                     model="max") as machine:
        machine.expect(r"^ready\r\n", keel.PATIENCE)
        monitor = Monitor(machine)
        machine.send("stop one\r")
        machine.expect(r"all VMs are off: waiting at the console", 30)
        machine.expect(PROMPT, 30)
        machine.send("exit\r")
        monitor.open()
        monitor.say("start one", r"one: is being started")
        machine.expect(r"one\| ready", 30)
        machine.expect(PROMPT, 30)
        machine.send("reboot\r")
        machine.expect(r"monitor: restarting the machine", 30)
        machine.finish(30)


@test("monitor/from gdb", platform="qemu-tcg-svm")
def gdb_has_the_commands():
    with keel.Booted("[keel]\ngdb = com2\n" + watched("one"), {"watched": binary("watched")}, megs=128, kind="qemu", model="max",
                     serials=2) as machine:
        machine.expect(r"^ready\r\n", keel.PATIENCE)
        said = gdb(machine, ["monitor vms", "monitor regs one", f"monitor mem one {PLACE + 16:x} 16", "monitor xyz", "kill"])
        expect_in_order(said, r"^ 1 one +paused", r"^rax +a1a2a3a4a5a6a7a8", r"^0{10}400010 .* known to all", r'no command "xyz"')
        machine.finish(30)
