"""Debian's gdb at a guest, through Keel's stub on the second serial port."""
import contextlib
import re
import select
import socket
import subprocess
import threading

import bench
import keel
import platforms
from keel import require
from registry import each, on_each, test
from test_linux import Shell

COUNTER = keel.BUILD / "guests/c/counter"


@contextlib.contextmanager
def bridge(port):
    """A TCP port for gdb whose bytes go to this socket of an emulator, and back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry():
        with contextlib.suppress(OSError), listener.accept()[0] as gdb:
            gdb.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                for source in select.select([gdb, port], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    (port if source is gdb else gdb).sendall(data)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@contextlib.contextmanager
def started(machine, commands, symbols=None):
    """Debian's gdb on its way through these commands, after it has connected."""
    with bridge(machine.ports[1]) as port:
        line = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set remotetimeout 20"]
        line += [str(symbols)] if symbols else []
        for command in [f"target remote localhost:{port}", *commands]:
            line += ["-ex", command]
        with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            try:
                yield process
            finally:
                process.kill()


def said_by(machine, process, limit=100):
    """All that this gdb prints until it ends."""
    try:
        return process.communicate(timeout=limit)[0].decode()
    except subprocess.TimeoutExpired as late:
        raise keel.Failure(machine.report(f"gdb did not end:\n{(late.stdout or b'').decode()}")) from None


def gdb(machine, commands, symbols=None, limit=100):
    """What gdb prints for these commands, after it has connected."""
    with started(machine, commands, symbols) as process:
        return said_by(machine, process, limit)


def expect_in_order(text, *patterns):
    """Each pattern is found behind the one before."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(text, at)
        require(found, f"gdb did not say {pattern!r} behind character {at}:\n{text}")
        at = found.end()


def counter(cpus, **machine):
    conf = "[keel]\ngdb = com2\n" + keel.vm("counter", memory="16M", kernel="counter", format="flat", load="0x100000", entry="long",
                                             vcpus=str(cpus), paused="yes")
    return keel.Booted(conf, {"counter": COUNTER.with_suffix(".bin")}, serials=2, megs=128, cpus=min(cpus, 2), **machine)


@on_each("gdb/session", [("1 vCPU", 1)], ["bochs-vmx", "bochs-svm", "qemu-tcg-svm"])
@on_each("gdb/session", [("4 vCPUs", 4)], ["bochs-vmx", "qemu-tcg-svm"])
def debugs_a_guest(platform, cpus):
    hardware = platform.kind == "bochs"  # QEMU 7.2 does not arm a guest's DR7 at VMRUN
    with counter(cpus, **platform.machine()) as machine:
        machine.expect(r"vm counter: started")
        said = gdb(machine, ["set can-use-hw-watchpoints 0"] * (not hardware) + [
            "echo --- break\\n", "break fibonacci", "continue", "backtrace", "print n", "step", "next", "info registers rip eflags",
            "echo --- finish\\n", "delete", "finish",
            "echo --- watch\\n", "watch total", "continue", "continue", "delete",
            "echo --- hardware\\n", "hbreak round_done" if hardware else "break round_done", "continue", "print cpu", "delete",
            "echo --- instructions\\n", "stepi", "stepi", "x/i $pc",
            "echo --- change\\n", "set var total = 0x1234567", "print/x total", "set $r15 = 0x55", "print/x $r15",
            "set $xmm3.v2_int64[1] = 77", "print $xmm3.v2_int64[1]", "print/x $cr0 & 0x80000001", "print $fs_base",
            "echo --- threads\\n", "info threads", *(["thread 4", "backtrace"] if cpus > 1 else []),
            "echo --- end\\n", "set var done = 1", "continue",
        ], COUNTER.with_suffix(".elf"))
        kind = "[Hh]ardware watchpoint" if hardware else "Watchpoint"
        expect_in_order(
            said,
            r"--- break", r"Breakpoint 1, fibonacci \(n=", r"#0 +fibonacci", r"#1 .*cpu_main", r"\$1 = 6", r"^3[346]\s",
            r"^3[3-7]\s", r"rip .*<fibonacci", r"eflags +0x[0-9a-f]+ +\[(?!.*TF)",
            r"--- finish", r"Value returned is \$\d+ = \d+",
            r"--- watch", rf"{kind} 2: total", r"Old value = (\d+)\s+New value = (\d+)", r"Old value = \d+\s+New value = \d+",
            r"--- hardware", r"Hardware assisted breakpoint 3" if hardware else r"Breakpoint 3", r"Breakpoint 3, round_done",
            r"\$\d+ = \d",
            r"--- instructions", r"=> 0x[0-9a-f]+ <round_done\+\d+>",
            r"--- change", r"= 0x1234567$", r"= 0x55$", r"= 77$", r"= 0x80000001$",
            r"--- threads", *(rf"[* ] {number} +Thread {number} " for number in range(1, cpus + 1)),
            *([r"#0 "] if cpus > 1 else []),
            r"--- end", r"Inferior 1 .* exited")
        machine.expect(r"counter: end")
        machine.expect(r"vm counter: exited with status 1")
        machine.finish(30)


@each("gdb/entry", [("real", "real"), ("protected", "protected")])
def shows_a_32_bit_processor(name):
    conf = "[keel]\ngdb = com2\n" + keel.vm(name, memory="16M", kernel="guest", format="flat", load="0x8000", entry=name, paused="yes")
    guest = {"guest": keel.BUILD / f"guests/{name}.bin"}
    with keel.Booted(conf, guest, serials=2, megs=128) as machine:
        machine.expect(rf"vm {name}: started")
        said = gdb(machine, ["info registers eip esp eflags", "stepi", "stepi", "print $eip != 0x8000", "print $cr0 & 1", "detach"])
        expect_in_order(said, r"eip +0x8000", r"esp +0x", r"eflags +0x2 ", r"\$1 = 1", rf"\$2 = {int(name == 'protected')}", r"detached")
        machine.expect(r"^pass\r?$", 60)


@test("gdb/no instruction more")
def costs_nothing_without_breakpoints():
    vm = keel.vm("bench", memory="64M", kernel="bench", format="flat", load="0x8000", entry="long", paused="yes")
    guest = {"bench": keel.BUILD / "guests/bench.bin"}
    with keel.Booted("[keel]\ndisable = none\ngdb = com2\n" + vm, guest, serials=2, megs=192, ips=100_000_000) as machine:
        machine.expect(r"vm bench: started")
        gdb(machine, ["continue"])
        figures = bench.figures(machine)
    without = bench.measure()
    # Both are means with some timer interrupts in them, which fall differently.
    same = figures.keys() == without.keys() and all(abs(figures[name] - count) <= 2 + count // 100 for name, count in without.items())
    require(same, f"with GDB: {figures}\nwithout: {without}")


@test("gdb/debian", platform="qemu-tcg-svm")
def breaks_in_a_running_kernel():
    conf = "[keel]\ngdb = com2\n" + keel.vm(memory="256M", kernel="kernel", ramdisk="ramdisk", vcpus="2",
                                             cmdline="console=ttyS0,115200 quiet nokaslr cryptomgr.notests")
    files = {"kernel": keel.kernel("debian", "vmlinux"), "ramdisk": keel.ramdisk()}
    with keel.Booted(conf, files, serials=2, megs=400, cpus=2, **platforms.PLATFORMS["qemu-tcg-svm"].machine()) as machine:
        shell = Shell(machine).wait()
        address = shell.run("grep ' T ksys_sync$' /proc/kallsyms").split()[0]
        commands = [f"break *0x{address}", "continue", "info registers rip cs", "x/i $pc", "stepi", "stepi", "info threads", "delete", "detach"]
        with started(machine, commands) as process:
            threading.Timer(8, machine.send, ["sync\n"]).start()
            said = said_by(machine, process)
        expect_in_order(said, rf"Breakpoint 1, 0x0*{address}", rf"rip +0x{address}", r"cs +0x10", rf"=> 0x{address}:", r"Thread 2 ", r"detached")
        require(shell.run("echo $((6*7))") == "42\n", machine.report("the kernel does not go on after GDB has left"))
        shell.last("poweroff -f")
        machine.finish(60)


# Steps until RIP is at an address that a register had, and says how many steps that were.
STEPS = """python
def steps_to(end):
    count = 0
    while int(gdb.parse_and_eval("$rip")) != end and count < 2000:
        gdb.execute("stepi", to_string=True)
        count += 1
    print("steps:", count)
end
"""


# QEMU 7.2 does not arm a guest's DR7: a step into a handler, as of the guest's own #DB, runs on there. In Bochs a step takes a second.
@on_each("gdb/steps", [("completed", False)], ["qemu-tcg-svm", "bochs-vmx"])
@on_each("long/gdb/steps", [("of a guest that steps itself", True)], ["bochs-vmx", "bochs-svm"])
def steps_over_what_keel_completes(platform, itself):
    conf = "[keel]\ngdb = com2\n" + keel.vm("stepped", memory="16M", kernel="guest", format="flat", load="0x8000", entry="long", paused="yes")
    with keel.Booted(conf, {"guest": keel.BUILD / "guests/stepped.bin"}, serials=2, megs=128, **platform.machine()) as machine:
        machine.expect(r"vm stepped: started")
        script = machine.folder / "steps.gdb"
        script.write_text(STEPS)
        said = gdb(machine, [
            f"source {script}", "stepi 5", "python first, first_end, third, third_end = (int(gdb.parse_and_eval('$r%d' % n)) for n in range(12, 16))",
            "python gdb.execute('break *%d' % first)", "continue", "delete", "python steps_to(first_end)",
            *(["python gdb.execute('break *%d' % third)", "continue", "delete", "python steps_to(third_end)"] if itself else []),
            "echo --- end\\n", "continue"], limit=3000 if itself else 400)
        expect_in_order(said, r"Breakpoint 1", r"steps: \d{2,3}$", *([r"Breakpoint 2", r"steps: \d{3}$"] if itself else []),
                        r"--- end", r"exited with code 01")
        machine.expect(r"^pass\r?$")
        machine.finish(30)


class Raw:
    """A debugger that sends what it likes."""

    def __init__(self, port):
        self.port, self.heard = port, ""

    def send(self, packet):
        self.port.sendall(f"${packet}#{sum(packet.encode()) & 255:02x}".encode())

    def answer(self, wait=20):
        """The next packet, as it comes over the line."""
        while not (found := re.search(r"\$([^#]*)#..", self.heard)):
            require(select.select([self.port], [], [], wait)[0], f"no packet within {wait} s; heard: {self.heard!r}")
            self.heard += self.port.recv(65536).decode("latin-1")
        self.heard = self.heard[found.end():]
        return found[1]

    def ask(self, packet):
        self.send(packet)
        return self.answer()


@on_each("gdb/any packet", [("while the VM runs", None)], ["bochs-vmx", "qemu-tcg-svm"])
def touches_nothing_that_runs(platform, _):
    spin = (keel.BUILD / "guests/spin.bin").read_bytes()
    section = {"memory": "8M", "kernel": "spin", "format": "flat", "load": "0x8000", "entry": "long", "cpus": "1"}
    conf = "[keel]\ngdb = com2\n" + keel.vm("debugged", **section) + keel.vm("victim", **section)
    with keel.Booted(conf, {"spin": spin}, serials=2, megs=128, **{**platform.machine(), "cpus": 2}) as machine:
        machine.expect(r"vm victim: started")
        debugger = Raw(machine.ports[1])
        require(debugger.ask("?").startswith("T02"), "no stop")
        debugger.send("c")
        for packet in 2 * ["g", "p0", "P0=0000000000000000", "m8000,4", "M50000,1:00", "X50000,0:", "Z0,8000,1", "z0,8000,1", "D", "k", "vKill;1"]:
            require(debugger.ask(packet) == "E01", f"{packet} was not refused while the VM ran")
        debugger.port.sendall(b"\x03")
        require(debugger.answer().startswith("T02"), "no stop")
        require(debugger.ask("D") == "OK", "no detach")
        machine.expect(r"vm (debugged|victim): exited with status", 120)
        machine.expect(r"vm (debugged|victim): exited with status", 120)
        require("crashed" not in machine.log, machine.report("a VM crashed"))


@test("gdb/again")
def connects_again_after_detach_and_death():
    with counter(1) as machine:
        machine.expect(r"vm counter: started")
        for _ in range(2):
            said = gdb(machine, ["break round_done", "continue", "compare-sections .text", "delete", "detach"], COUNTER.with_suffix(".elf"))
            expect_in_order(said, r"Breakpoint 1, round_done", r"Section .text, .* matched", r"detached")
            require("MIS-MATCHED" not in said, said)
        died = Raw(machine.ports[1])  # with a breakpoint set, and no acknowledgements
        died.send("qSupported")
        died.answer()
        require(died.ask("QStartNoAckMode") == "OK" and died.ask("Z0,100000,1") == "OK", "no breakpoint")
        died.send("c")
        said = gdb(machine, ["x/1xb 0x100000", "set var done = 1", "continue"], COUNTER.with_suffix(".elf"))
        expect_in_order(said, r"0x100000.*:\s+0x(?!cc)", r"Inferior 1 .* exited")
        machine.finish(30)


@on_each("gdb/crash", [("shown", None)], ["bochs-vmx", "qemu-tcg-svm"])
def shows_a_crash(platform, _):
    conf = "[keel]\ngdb = com2\n" + keel.vm("triple", memory="16M", kernel="triple", format="flat", load="0x8000", entry="long", paused="yes")
    with keel.Booted(conf, {"triple": keel.BUILD / "guests/triple.bin"}, serials=2, megs=128, **platform.machine()) as machine:
        machine.expect(r"vm triple: started")
        said = gdb(machine, ["continue", "x/i $pc", "print $cr0 & 1", "continue"])
        expect_in_order(said, r"received signal SIGSEGV", r"=> 0x[0-9a-f]+:\s+ud2", r"\$1 = 1", r"terminated with signal SIGSEGV")
        machine.expect(r"vm triple: crashed: triple fault")
        machine.finish(30)
