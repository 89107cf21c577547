#!/usr/bin/env python3
"""A test of `tree.py floors`: an upward include, an upward call without an include, and a circle of two files, put into a copy of the
tree, are found."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOW = "hv/lib/format.c"


def copy_tree(tree):
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for name in filter(lambda name: (ROOT / name).is_file(), files.stdout.split("\n")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True)


def complaints(tree, build):
    done = subprocess.run([sys.executable, "tests/tree.py", "floors", build], cwd=tree, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        text = (tree / LOW).read_text()
        (tree / LOW).write_text('#include "hv/life/life.h"\n' + text)
        if "includes of hv/life/life.h" not in complaints(tree, build):
            sys.exit("floors: an include that runs up was not found")
        (tree / LOW).write_text(text)
        copy = tree / "built/keel"
        shutil.copytree(build / "keel", copy)
        caller = tree / "caller.c"
        caller.write_text("void life_launch(void);\nvoid calls_up(void);\nvoid calls_up(void) { life_launch(); }\n")
        subprocess.run(["gcc", "-c", caller, "-o", copy / "hv/lib/format.o"], check=True)
        if "life_launch of hv/life/life.c" not in complaints(tree, tree / "built"):
            sys.exit("floors: a call that runs up was not found")
        for name, calls in (("format", "circle_b"), ("tree", "circle_a")):
            caller.write_text(f"void circle_a(void);\nvoid circle_b(void);\nvoid {'circle_a' if name == 'format' else 'circle_b'}(void) {{ {calls}(); }}\n")
            subprocess.run(["gcc", "-c", caller, "-o", copy / f"hv/lib/{name}.o"], check=True)
        if "hv/lib/format.c: circle_b of hv/lib/tree.c, which leads back to it" not in complaints(tree, tree / "built"):
            sys.exit("floors: two files on a circle were not found")


if __name__ == "__main__":
    main()
