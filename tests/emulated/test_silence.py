"""
No serial port, and what is found out without one: the log on a text screen and on a framebuffer, and in a dump of the
memory; and where a core is that stands still in Keel.
"""
import re
import subprocess
import time

import iso
import keel
import monitor
import read_log
from registry import on_each, test
from test_guests import binary, conf
from test_uefi import Firmware, Scratch, direct

SVM = "qemu-tcg-svm"
GUEST = "long"
CORES = 2

# Keel stays at the console once its VM is off, so that a look at it is not a race.
STAYS = "[keel]\nall_off = monitor\n"
LAST = "all VMs are off: waiting at the console"


class Mute:
    """Of a Machine of QEMU: no COM1; the test hears it through port 0xE9. The monitor and the gdb stub are there."""

    def qemu_command(self, image, port):
        self.monitor, self.stub = monitor.Monitor(self.folder), monitor.Stub(self.folder)
        self.options += self.monitor.options + self.stub.options
        command = super().qemu_command(image, port)
        at = command.index("chardev:com1") - 1
        command[at:at + 2] = ["-serial", "none", "-vga", "std", "-device", "isa-debugcon,iobase=0xe9,chardev=com1"]
        return command


class MuteBooted(Mute, keel.Booted):
    pass


class MuteFirmware(Mute, Firmware):
    pass


def boot(settings="", **machine):
    return MuteBooted(STAYS + settings + conf(GUEST), {GUEST: binary(GUEST)}, kind="qemu", megs=192, **machine)


def body(text):
    """The lines that every way must show: without time and core."""
    return [line for line in re.findall(r"\[ *\d+\.\d+ cpu\d+\] (.*)$", text.replace("\r", ""), re.MULTILINE)]


def must_show(shown, log, what):
    """The screen's last lines are the log's: each of the screen's lines is one of the log's or a part of one."""
    seen = [line.rstrip() for line in shown.splitlines() if line.strip()]
    keel.require(any(LAST in line for line in seen), f"{what} does not show the log's end:\n" + "\n".join(seen))
    keel.require(len(seen) > 10, f"{what} shows few lines:\n" + "\n".join(seen))
    whole = log.replace("\r", "")
    for line in seen:
        keel.require(line.strip() in whole, f"{what} shows what the log has not: {line}\nThe log:\n{whole}")


@test("silence/text screen", platform=SVM)
def text_screen_shows_the_log():
    with boot() as machine:
        machine.expect(re.escape(LAST), keel.PATIENCE)
        time.sleep(0.5)
        cells = machine.monitor.attach().memory(0xb8000, 80 * 25 * 2)
        keel.require(set(cells[1::2]) <= {0, 7}, f"attributes are not grey on black: {set(cells[1::2])}, {cells[:400]}")
        rows = [cells[row * 160:row * 160 + 160:2].replace(b"\0", b" ").decode("latin-1") for row in range(25)]
        must_show("\n".join(rows), machine.log, "the text screen")


def font():
    """{columns: letter} from hv/console/font.c."""
    text = (keel.ROOT / "hv/console/font.c").read_text()
    shapes = re.findall(r"\{(0x\w\w), (0x\w\w), (0x\w\w), (0x\w\w), (0x\w\w)\}", text)
    keel.require(len(shapes) == 95, f"{len(shapes)} letters in font.c")
    return {tuple(int(column, 16) for column in shape): chr(32 + i) for i, shape in enumerate(shapes)}


def read_screen(width, height, lit):
    """Letters of 8 by 16 points, each of the font's rows twice."""
    letters = font()

    def letter(row, column):
        x, y = column * 8, row * 16
        shape = tuple(sum(lit(x + 1 + i, y + 2 * bit) << bit for bit in range(8)) for i in range(5))
        return letters.get(shape, "\ufffd")

    return "\n".join("".join(letter(row, column) for column in range(width // 8)) for row in range(height // 16))


def graphics_show(machine):
    machine.expect(re.escape(LAST), keel.PATIENCE)
    time.sleep(0.5)
    must_show(read_screen(*machine.monitor.attach().screen()), machine.log, "the framebuffer")


@test("silence/framebuffer by UEFI", platform=SVM)
def framebuffer_shows_the_log():
    files = {"EFI/keel/keel.conf": (STAYS + conf(GUEST)).encode(), f"EFI/keel/{GUEST}": binary(GUEST)}
    with Scratch() as folder, MuteFirmware(direct(folder, files), "q35", megs=512) as machine:
        graphics_show(machine)


@test("silence/framebuffer by GRUB on UEFI", platform=SVM)
def framebuffer_of_grub_shows_the_log():
    with Scratch() as folder:
        disk = iso.build(folder / "keel.iso", STAYS + conf(GUEST), {GUEST: binary(GUEST)})
        with MuteFirmware(disk, "q35", megs=512) as machine:
            graphics_show(machine)


@test("silence/dump of the memory", platform=SVM)
def dump_holds_the_log():
    with boot() as machine:
        machine.expect(re.escape(LAST), keel.PATIENCE)
        logs = read_log.find(machine.monitor.attach().memory(0, 192 << 20))
        keel.require(len(logs) == 1, f"{len(logs)} logs in the memory")
        text = logs[0].decode("ascii")
        keel.require(body(text) and body(text) == body(machine.log), f"the log in the memory is another:\n{text}")


def address_of(name):
    table = subprocess.run(["nm", f"{keel.KEEL}.debug"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(re.search(rf"^(\w+) \w {re.escape(name)}$", table, re.MULTILINE)[1], 16)


BLOCK = [r"vm triple: cannot go on:", r"vcpu 0, 64-bit mode: triple fault at rip 0x(?P<rip>\w+)", r"rax  \w{16}", r"cr2  \w{16}",
         r"xcr0 \w{16}", r"cs   0008 base 0{16}", r"idtr 0000 base 0{16} limit 00000000", r"code:( \w\w){16} <0f> 0b",
         r"backtrace by rbp:", r"\w+ \(ends_here\+0x\w+\)\r?$", r"walk of cr2 0:", r"PML4E at 000071000: 0000000000072027 PWU--A---", r"guest-physical 0",
         r"nested level 4 at \w+: \w{16} RWX", r"last exits", r"(triple fault|shutdown) (?P=rip8);", r"I/O instruction",
         r"vm triple: crashed: triple fault"]


@on_each("crash", [("one block",)], names=("bochs-vmx", SVM))
def crash_is_one_block(platform):
    """guests/triple.asm: UD2 without an IDT."""
    own = conf("triple") + "symbols = names\n"
    files = {"triple": binary("triple"), "names": b"0000000000008000 T begin\n0000000000009000 T ends_here\n00000000ffff0000 D data\n"}
    with keel.Booted(own, files, megs=192, **platform.machine()) as machine:
        machine.finish(keel.PATIENCE)
        machine.seen, rip = 0, ""
        for part in BLOCK:
            found = machine.expect(part.replace("(?P=rip8)", rip), 1).groupdict()
            rip = found["rip"].zfill(8) if "rip" in found else rip
        read = subprocess.run([keel.ROOT / "tools/disassemble.py"], input=machine.log, stdout=subprocess.PIPE, text=True, check=True).stdout
        keel.require(re.search(r"call +0x\w+\n.*lidt +ds:0x\w+\n    \| -> \w+: ud2\n", read), f"tools/disassemble.py made of it:\n{read}")


@test("silence/a core that stands still in Keel", platform=SVM)
def watchdog_reports():
    """A processor is put by QEMU's gdb stub where Keel halts for good with interrupts off."""
    with boot(cpus=CORES) as machine:
        machine.expect(re.escape(LAST), keel.PATIENCE)
        time.sleep(2)                       # each core has ticked
        stub = machine.stub.attach()
        stub.set_rip(1, address_of("trampoline64.park"))
        stub.leave()
        machine.expect(r"watchdog: cpu 1 makes no progress in Keel", keel.PATIENCE)
        machine.expect(r"cpu 1: backtrace:\r?\n +0x\w+ trampoline64\+0x", 10)
        logged = machine.log
        machine.receive(3)
        keel.require(machine.log.count("no progress") == 1, machine.report(f"said more than once, after:\n{logged}"))


@test("silence/16 cores start and accuse nobody", platform=SVM)
def watchdog_is_quiet():
    """Cores that have ticked look at whoever else has, several at the same one."""
    with boot(cpus=16) as machine:
        machine.expect(re.escape(LAST), keel.PATIENCE)
        until = time.monotonic() + 8
        while time.monotonic() < until:
            machine.receive(0.2)
        keel.require("smp: 16 cores" in machine.log and "watchdog" not in machine.log, machine.report("a core was accused"))


@test("silence/a panic names every core", platform=SVM)
def panic_reports():
    """A processor is put where an instruction is undefined: behind stack_switch's call, which never returns."""
    with boot("trace = on\nreport = trace\n", cpus=CORES) as machine:
        machine.expect(re.escape(LAST), keel.PATIENCE)
        time.sleep(2)
        stub = machine.stub.attach()
        stub.set_rip(1, address_of("stack_switch") + 7)
        stub.leave()
        machine.expect(r"KEEL PANIC: invalid opcode \(vector 6, error 0x0\) in Keel at rip 0x\w+", keel.PATIENCE)
        for part in (r"rax  \w{16}", r"cr0  \w{16}", r"efer \w{16}", r"gdtr 0000 base \w{16}",
                     r"code:.* <0f> 0b", r"backtrace:\r?\n +0x\w+ stack_switch\+0x7\r?\n",
                     r"cpu 0: backtrace:\r?\n +0x\w+ \w+\+0x\w+\r?\n", r"trace: [1-9]\d* records", r"ends how=", r"trace: end", r"Keel has stopped every core"):
            machine.expect(part, 20)
