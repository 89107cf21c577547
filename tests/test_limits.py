#!/usr/bin/env python3
"""A test of `limits.py`: a file, a function and a room that are too long, a file without a first comment, and a name that nobody uses, put into
a copy of the tree, are found."""
import pathlib
import subprocess
import sys
import tempfile

from test_floors import copy_tree

LONG = "".join(f"/* {line} */\n" for line in range(500))
FUNCTION = "void long_one(void)\n{\n" + "    long_one();\n" * 38 + "}\n"


def main():
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        changes = [
            ("hv/lib/new.c", LONG, "hv/lib/new.c: 500 lines"),
            ("hv/lib/new.c", "/* New. */\n" + FUNCTION, "hv/lib/new.c: long_one has 41 lines"),
            ("hv/lib/new.c", "int without;\n", "hv/lib/new.c: does not begin with a comment"),
            ("hv/lib/new.h", "/* New. */\n#define NOBODYS 1\n", "hv/lib/new.h: nothing uses NOBODYS"),
            ("hv/lib/new.h", "/* New. */\nstatic inline int nobodys(void)\n{\n    return 0;\n}\n", "hv/lib/new.h: nothing uses nobodys"),
        ]
        for name, text, complaint in changes:
            (tree / name).write_text(text)
            done = subprocess.run([sys.executable, "tests/limits.py"], cwd=tree, stdout=subprocess.PIPE, text=True)
            if complaint not in done.stdout:
                sys.exit(f"limits: {complaint!r} was not said")
            (tree / name).unlink()
        for number in range(10):
            (tree / f"hv/lib/new{number}.c").write_text(LONG[:-12])
        done = subprocess.run([sys.executable, "tests/limits.py"], cwd=tree, stdout=subprocess.PIPE, text=True)
        if "hv/lib: " not in done.stdout:
            sys.exit("limits: a room that is too large was not found")


if __name__ == "__main__":
    main()
