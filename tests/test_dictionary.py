#!/usr/bin/env python3
"""A test of `dictionary.py`: a number of the manuals' that is put into a copy of the tree a second time is found, in C and in assembly."""
import pathlib
import subprocess
import sys
import tempfile

from test_floors import copy_tree

SECONDS = {
    "hv/life/life.c": ["#define CR0_PE BIT(0)", "enum { APIC_SVR = 0x0f, };\n    APIC_SVR = 0x0f,", "#define DR7_OTHER BIT(9)", "int a = f(0xc0000080);", "int a = rdmsr(0x1b);"],
    "hv/x86/x86.h": ["#define CR4_AGAIN BIT(5)", "#define CR4_PAE BIT(5)", "enum more {\n    IA32_AGAIN = 0x1b,\n};"],
    "boot/entry.asm": ["EFER_LME equ 1 << 8", "CR4_SOME equ 1 << 9"],
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        for name, lines in SECONDS.items():
            text = (tree / name).read_text()
            for line in lines:
                (tree / name).write_text(f"{text}\n{line}\n")
                done = subprocess.run([sys.executable, "tests/dictionary.py"], cwd=tree, stdout=subprocess.PIPE, text=True)
                if not done.returncode:
                    sys.exit(f"dictionary: {line!r} in {name} was not found")
            (tree / name).write_text(text)


if __name__ == "__main__":
    main()
