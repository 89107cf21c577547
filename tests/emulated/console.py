#!/usr/bin/env python3
"""
`make run`: Keel in an emulated machine with the caller's kernel, and the caller's terminal as its serial port.

Ctrl-A x leaves, Ctrl-A Ctrl-A types Ctrl-A. Without a terminal every prompt of the guest gets one line of the input, and the
prompt after the last one leaves.
"""
import argparse
import os
import pathlib
import re
import select
import sys
import termios
import tty

import keel
import platforms

ESCAPE = b"\x01"
# The kernel's tests of its own ciphers are two fifths of its boot.
CMDLINE = "console=ttyS0,115200 quiet cryptomgr.notests"


class Keys:
    """A terminal's keys. typed() returns what to pass on, or None to leave."""

    def __init__(self):
        self.escaped = False

    def typed(self, data):
        passed = bytearray()
        for byte in data:
            key = bytes([byte])
            if self.escaped:
                self.escaped = False
                if key in b"xX":
                    return None
                passed += key if key == ESCAPE else ESCAPE + key
            elif key == ESCAPE:
                self.escaped = True
            else:
                passed += key
        return bytes(passed)


class Script:
    """Lines that are no terminal's: held until the guest asks for one."""

    PROMPT = re.compile(rb"[#$] (\x1b\[6n)?$|login: $")

    def __init__(self):
        self.lines, self.said = sys.stdin.buffer.readlines(), b""

    def heard(self, data):
        """What to type after the guest has said this: b"" for nothing yet, None to leave."""
        self.said = (self.said + data)[-100:]
        if not self.PROMPT.search(self.said):
            return b""
        self.said = b""
        return self.lines.pop(0) if self.lines else None


def say(machine, data):
    machine.serial.setblocking(True)
    machine.serial.sendall(data)


def converse(machine):
    """Connects standard input and output with the serial port until the machine ends or the caller leaves."""
    terminal = sys.stdin.isatty()
    keys, script = (Keys(), None) if terminal else (None, Script())
    inputs = [machine.serial] + ([sys.stdin.fileno()] if terminal else [])
    while True:
        ready = select.select(inputs, [], [], 0.5)[0]
        answer = b""
        if machine.serial in ready:
            data = machine.serial.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
            answer = script.heard(data) if script else b""
        elif ready:
            answer = keys.typed(os.read(sys.stdin.fileno(), 4096))
        if answer is None:
            return
        say(machine, answer)


def raw_terminal(function, *arguments):
    """Calls it with the terminal, if there is one, passing every key on as it is."""
    if not sys.stdin.isatty():
        return function(*arguments)
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        return function(*arguments)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        print("\r")


def mebibytes(text):
    """256, 256M or 1G, in MiB."""
    units = {"M": 1, "G": 1024}
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in units else (text, "M")
    return int(number) * units[unit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default="", help="a Linux bzImage or vmlinux; Debian's current one by default")
    parser.add_argument("--initrd", default="", help="its ramdisk; a busybox shell by default")
    parser.add_argument("--cmdline", default="", help=f"its command line; {CMDLINE!r} by default")
    parser.add_argument("--cpus", type=int, default=1, help="processors of the machine")
    parser.add_argument("--memory", default="256M", help="memory of the guest")
    parser.add_argument("--model", default=None, help="the emulator's CPU model")
    arguments = parser.parse_args()

    own = pathlib.Path(arguments.kernel).resolve() if arguments.kernel else keel.kernel("debian", "vmlinux")
    files = {"kernel": own}
    initrd = pathlib.Path(arguments.initrd).resolve() if arguments.initrd else None
    if not arguments.kernel and not initrd:
        initrd = keel.ramdisk()
    keys = {"memory": f"{mebibytes(arguments.memory)}M", "kernel": "kernel"}
    if initrd:
        files["ramdisk"] = initrd
        keys["ramdisk"] = "ramdisk"
    keys["cmdline"] = arguments.cmdline or CMDLINE
    for path in files.values():
        if not path.is_file():
            sys.exit(f"{path}: no such file")
    room = sum(path.stat().st_size for path in files.values()) >> 20
    megs = min(3072, mebibytes(arguments.memory) + 2 * room + 64)

    platform = platforms.choose()
    print(f"Keel in {platform.name} ({platform.vendor.upper()}) with {arguments.cpus} CPU(s) and {megs} MiB; "
          "Linux's prompt takes about half a minute. ", end="")
    print("To leave: Ctrl-A x" if sys.stdin.isatty() else "It ends at the prompt behind the last line of the input.",
          flush=True)
    settings = platform.machine() | ({"model": arguments.model} if arguments.model else {})
    with keel.Booted(keel.vm(**keys), files, cpus=arguments.cpus, megs=megs, **settings) as machine:
        raw_terminal(converse, machine)


if __name__ == "__main__":
    main()
