#!/usr/bin/env python3
"""A test of `kept.py`: a name of x86's in a kept room, and a call that docs/porting.md has not, put into a copy of the tree, are found."""
import pathlib
import subprocess
import sys
import tempfile

from test_floors import copy_tree

KEPT = "hv/life/life.c"


def complaints(tree, build):
    done = subprocess.run([sys.executable, "tests/kept.py", build], cwd=tree, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        text = (tree / KEPT).read_text()
        for use in ("unsigned long cr = CR0_PE;", "vcpu->arch.tsc_offset = 1;", "write_cr3(1);"):
            (tree / KEPT).write_text(f"{text}{use}\n")
            if f"{KEPT}:{text.count(chr(10)) + 1}:" not in complaints(tree, build):
                sys.exit(f"kept: {use} was not found")
        (tree / KEPT).write_text(text + '/* CR0_PE */ const char *said = "CR0_PE";\n')
        if complaints(tree, build):
            sys.exit("kept: what comments and texts say was taken for a use")
        page = tree / "docs/porting.md"
        page.write_text(page.read_text().replace("`processor_reset`, ", ""))
        if "docs/porting.md: its table" not in complaints(tree, build):
            sys.exit("kept: a row that is missing in docs/porting.md was not found")


if __name__ == "__main__":
    main()
