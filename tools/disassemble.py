#!/usr/bin/env python3
"""
Reads what Keel said, from a file or its input, and prints it again with instructions: behind each `code:` of a crash or a
panic, behind the bytes that the monitor's `mem` and `step` show. With the symbols of the guest it names the functions as
well. Needs objdump and nm (Debian: binutils).
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

MACHINES = {16: "i8086", 32: "i386", 64: "i386:x86-64"}
INDENT = "    | "


class Symbols:
    """Functions by address, of an ELF file or of nm's output (System.map)."""

    def __init__(self, path):
        text = ""
        if path:
            contents = pathlib.Path(path).read_bytes()
            text = contents.decode("latin-1")
            if contents.startswith(b"\x7fELF"):
                text = subprocess.run(["nm", "-n", path], stdout=subprocess.PIPE, check=True, text=True).stdout
        self.known = sorted((int(address, 16), name) for address, name in re.findall(r"^([0-9a-f]+) [TtWw] (\S+)", text, re.MULTILINE))

    def name(self, address):
        """ (name+0x12), or nothing."""
        before = [symbol for symbol in self.known if symbol[0] <= address]
        return f" ({before[-1][1]}+{address - before[-1][0]:#x})" if before else ""


def is_none(instruction):
    return "(bad)" in instruction[2] or ".byte" in instruction[2]


def instructions(code, address, bits):
    """[(address, length, text)] of bytes that are at that address; what is cut off at the end is left out."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        said = subprocess.run(["objdump", "-D", "-b", "binary", "-m", MACHINES[bits], "-M", "intel", "--insn-width=15",
                               f"--adjust-vma={address:#x}", file.name], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = [(int(at, 16), len(bytes.fromhex(raw)), text.strip())
             for at, raw, text in re.findall(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t(.*)$", said, re.MULTILINE)]
    cut = (index for index, each in enumerate(found) if is_none(each) and each[0] + 15 > address + len(code))
    return found[:next(cut, len(found))]


def before(code, address, bits):
    """What may stand before `address`, where an instruction begins: the longest decoding that ends there."""
    for start in range(len(code)):
        found = instructions(code[start:], address - len(code) + start, bits)
        if found and found[-1][0] + found[-1][1] == address and not any(map(is_none, found)):
            return found
    return []


class Reader:
    def __init__(self, bits, symbols, out):
        self.given, self.bits, self.symbols, self.out = bits, bits or 64, symbols, out
        self.rip, self.base, self.wide = 0, 0, True
        self.dump, self.dump_at, self.places = b"", 0, False

    def show(self, found, here=None):
        for address, _, text in found:
            mark = "-> " if address == here else "   "
            target = re.search(r"\b(?:call|j\w+|loop\w*) +0x([0-9a-f]+)$", text)
            self.out.write(f"{INDENT}{mark}{address:x}{self.symbols.name(address)}: {text}"
                           f"{self.symbols.name(int(target[1], 16)) if target else ''}\n")

    def end_dump(self):
        if self.dump:
            self.show(instructions(self.dump, self.dump_at, self.bits))
        self.dump = b""

    def code(self, line):
        items = line.split()
        here = next((index for index, item in enumerate(items) if item[0] == "<"), None)
        code = bytes(int(item.strip("<>"), 16) for item in items)
        if here is None:
            return
        address = self.rip if self.bits == 64 else (self.rip + self.base) & 0xffffffff
        self.show(before(code[:here], address, self.bits) + instructions(code[here:], address, self.bits), address)

    def registers(self, line):
        """What they say of the code: where it is, and in which mode."""
        if found := re.search(r"(real|virtual-8086|protected|64-bit) mode|in Keel at rip 0x", line):
            self.wide = found[1] in ("64-bit", None)
        if found := re.match(r"rip  ([0-9a-f]{16})", line):
            self.rip = int(found[1], 16)
        if found := re.search(r"cs   \w{4} base (\w{16}) limit \w{8} flags (\w{5})", line):
            self.base = int(found[1], 16)
            self.bits = self.given or (64 if self.wide else 32 if int(found[2], 16) & 0x4000 else 16)

    def read(self, line):
        row = re.match(r"([0-9a-f]{16})  ((?:[0-9a-f]{2} ){1,16})", line)
        if not row or (self.dump and int(row[1], 16) != self.dump_at + len(self.dump)):
            self.end_dump()
        if row:
            self.dump_at = self.dump_at if self.dump else int(row[1], 16)
            self.dump += bytes.fromhex(row[2])
        self.out.write(line + "\n")
        self.registers(line)
        if line.startswith("code: "):
            self.code(line[6:])
        elif found := re.match(r"\S+: 0x\w+ -> 0x(\w+).*, next((?: \w\w)+)$", line):
            self.show(instructions(bytes.fromhex(found[2]), int(found[1], 16), self.bits))
        elif line.startswith("backtrace by rbp:"):
            self.places = True
        elif self.places and re.fullmatch(r"([0-9a-f]+( \([^)]*\))?(; |$))+", line):
            for address in re.findall(r"(?:^|; )([0-9a-f]+)", line) if self.symbols.known else ():
                self.out.write(f"{INDENT}{address}{self.symbols.name(int(address, 16))}\n")
        else:
            self.places = False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=int, choices=MACHINES, help="of code whose mode the text does not say: 64 if left out")
    parser.add_argument("--symbols", help="of the guest: its ELF file, or what nm printed of it, or System.map")
    parser.add_argument("log", nargs="?", help="a file; the input if left out")
    arguments = parser.parse_args()
    text = pathlib.Path(arguments.log).read_text(errors="replace") if arguments.log else sys.stdin.read()
    reader = Reader(arguments.bits, Symbols(arguments.symbols), sys.stdout)
    for line in text.replace("\r", "").splitlines():
        reader.read(line)
    reader.end_dump()


if __name__ == "__main__":
    main()
