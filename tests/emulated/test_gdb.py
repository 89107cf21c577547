"""Debian's gdb at a guest, through Keel's stub on the second serial port."""
import contextlib
import re
import select
import socket
import subprocess
import threading

import keel
from keel import require
from registry import on_each

COUNTER = keel.BUILD / "guests/c/counter"


@contextlib.contextmanager
def bridge(port):
    """A TCP port for gdb whose bytes go to this socket of an emulator, and back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry():
        with contextlib.suppress(OSError), listener.accept()[0] as gdb:
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


def gdb(machine, commands, symbols=None, limit=100):
    """What gdb prints for these commands, after it has connected."""
    with bridge(machine.ports[1]) as port:
        line = ["gdb", "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set remotetimeout 20"]
        line += [str(symbols)] if symbols else []
        for command in [f"target remote localhost:{port}", *commands]:
            line += ["-ex", command]
        try:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit, check=False)
        except subprocess.TimeoutExpired as late:
            raise keel.Failure(machine.report(f"gdb did not end:\n{(late.stdout or b'').decode()}")) from None
    return done.stdout.decode()


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
