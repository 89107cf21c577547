"""
The faults of docs/debugging.md: the page's own configurations are started, its commands typed, and what comes out is compared
with what the page shows, line by line, but for numbers.
"""
import re
import subprocess
import time

import keel
from keel import require
from registry import each
from test_gdb import gdb
from test_monitor import Monitor

PAGE = keel.ROOT / "docs/debugging.md"
LEFT_OUT = "..."


def blocks(title):
    """The fenced blocks of the page's part with this title."""
    part = re.search(rf"^### {re.escape(title)}$(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    require(part, f"{PAGE} has no part {title!r}")
    return re.findall(r"^```\n(.*?)^```$", part[1], re.MULTILINE | re.DOTALL)


def without_numbers(line):
    """Without what may be another: times, counts and addresses, code. Small numbers stay: they say what is wrong."""
    line = re.sub(r"^code:( <?[0-9a-f]{2}>?)+$", "code:", " ".join(line.split()))
    return re.sub(r"\d+\.\d+|0x[0-9a-f]+|\b[0-9a-f]{3,}\b", "#", line)


def missing(shown, said):
    """The first of the lines that the page shows which is not there, or not in this order."""
    rest = iter([without_numbers(line) for line in said.replace("\r", "").splitlines()])
    lines = [line for line in shown.splitlines() if line.strip() and line != LEFT_OUT]
    return next((line for line in lines if without_numbers(line) not in rest), None)


def require_lines(shown, said, what):
    line = missing(shown, said)
    require(line is None, f"{what}: the page shows\n    {line}\nwhich is not, or not there, in\n{said}")


def await_lines(machine, shown, what):
    """The machine says that, if it is given time."""
    deadline = time.monotonic() + keel.PATIENCE
    while missing(shown, machine.log) and time.monotonic() < deadline and (machine.receive(0.2) or machine.process.poll() is None):
        pass
    require_lines(shown, machine.log, what)


def sessions(block, prompt):
    """[(command, what the page shows behind it)] of a block."""
    parts = re.split(rf"^{re.escape(prompt)}", block, flags=re.MULTILINE)
    return [part.split("\n", 1) for part in parts[1:]]


def files(conf):
    """A guest in C, and its symbols, by the names that keel.conf has for them."""
    name = re.search(r"kernel = (\w+)", conf)[1]
    elf = keel.BUILD / f"guests/c/{name}.elf"
    names = subprocess.run(["nm", elf], stdout=subprocess.PIPE, check=True).stdout
    return {name: elf.with_suffix(".bin"), f"{name}.names": names}, elf


@each("faults", [("hangs", "A guest that hangs"), ("triple-faults", "A guest that triple-faults"), ("no VM entry", "A VM entry that fails")])
def is_as_the_page_shows(title):
    conf, *shown = blocks(title)
    modules, elf = files(conf)
    with keel.Booted(conf, modules, megs=128, serials=2 if "gdb" in conf else 1) as machine:
        monitor = None
        for block in shown:
            if block.startswith("keel> "):
                monitor = monitor or Monitor(machine)
                for command, answer in sessions(block, "keel> "):
                    require_lines(answer, monitor.say(command), command)
            elif block.startswith("(gdb) "):
                machine.expect(r"vm \w+: started", keel.PATIENCE)
                commands = sessions(block, "(gdb) ")
                said = gdb(machine, [command for command, _ in commands if not command.startswith("target")], elf)
                require_lines("".join(answer for _, answer in commands), said, "gdb")
            else:
                await_lines(machine, block, title)
        if monitor:
            machine.send("poweroff\r")
        machine.finish(keel.PATIENCE)


REAL = """vcpu 0, real mode: triple fault at rip 0x1023
rip  0000000000001023  rfl  0000000000010006  cr0  0000000060000010  cr2  0000000000000000
es   0000 base 0000000000000000 limit 0000ffff flags 00093  cs   0700 base 0000000000007000 limit 0000ffff flags 00093
code: 10 c7 46 02 34 12 2e 0f 01 1e 25 80 b0 78 e6 80 <0f> 0b 00 00
backtrace by rbp:
1023
"""
NARROW = REAL.replace("real", "protected").replace("flags 00093\n", "flags 0c09b\n")
MEM = "0000000000100000  b8 01 00 00 00 c3                                ......\n"
STEP = "one.0: 0x9516 -> 0x9513 (spin+0x0), next 48 ff 07 eb fb\n"


@each("tools/disassemble", [
    ("real mode", REAL, [], [r"\| +8014: mov +WORD PTR \[bp\+0x2\],0x1234", r"\| +8019: lidtw +cs:0x8025", r"\| -> 8023: ud2"]),
    ("protected mode", NARROW, [], [r"\| +8021: out +0x80,al", r"\| -> 8023: ud2"]),
    ("mem", MEM, [], [r"\| +100000: mov +eax,0x1$", r"\| +100005: ret"]),
    ("mem of 16 bits", MEM, ["--bits", "16"], [r"\| +100000: mov +ax,0x1$", r"add +BYTE PTR \[bx\+si\],al"]),
    ("step", STEP, [], [r"\| +9513: inc +QWORD PTR \[rdi\]$", r"\| +9516: jmp +0x9513"]),
    ("names", STEP.replace("0x9513", "0x100000"), ["--symbols", keel.BUILD / "guests/c/overflows.elf"],
     [r"\| +100000 \(start\+0x0\): inc ", r"jmp +0x100000 \(start\+0x0\)"]),
])
def log_is_read(text, arguments, patterns):
    said = subprocess.run([keel.ROOT / "tools/disassemble.py", *arguments], input=text, stdout=subprocess.PIPE, text=True, check=True).stdout
    require(all(line in said for line in text.splitlines()), f"what was read is not all there:\n{said}")
    at = 0
    for pattern in patterns:
        found = re.compile(pattern, re.MULTILINE).search(said, at)
        require(found, f"no {pattern!r} behind character {at} of:\n{said}")
        at = found.end()
