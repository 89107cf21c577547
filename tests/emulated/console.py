#!/usr/bin/env python3
"""
`make run`: Keel in an emulated machine with the caller's kernel, and the caller's terminal as its serial port.

Ctrl-A x leaves, Ctrl-A Ctrl-A types Ctrl-A; without a terminal, input is passed on as it is until it ends.
"""
import argparse
import os
import pathlib
import select
import sys
import termios
import tty

import keel

ESCAPE = b"\x01"
CMDLINE = "console=ttyS0,115200 quiet"


class Keys:
    """What is typed, less the key that leaves. feed() returns what to pass on, or None to leave."""

    def __init__(self, terminal):
        self.terminal, self.escaped = terminal, False

    def feed(self, data):
        if not self.terminal:
            return data
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


def converse(machine):
    """Connects standard input and output with the serial port until the machine ends or the caller leaves."""
    standard_input, terminal = sys.stdin.fileno(), sys.stdin.isatty()
    keys, before = Keys(terminal), None
    if terminal:
        before = termios.tcgetattr(standard_input)
        tty.setraw(standard_input)
    inputs = [standard_input, machine.serial]
    try:
        while machine.process.poll() is None or machine.serial in select.select([machine.serial], [], [], 0)[0]:
            ready = select.select(inputs, [], [], 0.5)[0]
            if machine.serial in ready:
                data = machine.serial.recv(65536)
                if not data:
                    return
                os.write(sys.stdout.fileno(), data)
            if standard_input in ready:
                data = os.read(standard_input, 4096)
                if not data:
                    inputs.remove(standard_input)
                    continue
                typed = keys.feed(data)
                if typed is None:
                    return
                machine.serial.setblocking(True)
                machine.serial.sendall(typed)
    finally:
        if before:
            termios.tcsetattr(standard_input, termios.TCSADRAIN, before)
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
    parser.add_argument("--model", default=None, help="Bochs's CPU model")
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

    print(f"Keel in Bochs with {arguments.cpus} CPU(s) and {megs} MiB; Linux's prompt takes about half a minute. ", end="")
    print("To leave: Ctrl-A x" if sys.stdin.isatty() else "It ends when the guest powers off.", flush=True)
    with keel.Booted(keel.vm(**keys), files, cpus=arguments.cpus, megs=megs, model=arguments.model) as machine:
        converse(machine)


if __name__ == "__main__":
    main()
