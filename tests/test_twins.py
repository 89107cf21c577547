#!/usr/bin/env python3
"""A test of `twins.py`: what it has to find, put into a copy of the tree, is found."""
import pathlib
import subprocess
import sys
import tempfile

from test_floors import copy_tree


def complaints(tree, build):
    done = subprocess.run([sys.executable, "tests/twins.py", build], cwd=tree, stdout=subprocess.PIPE, text=True)
    return done.stdout


def expect(tree, build, name, change, complaint):
    """`change` of the file's text leads to `complaint`."""
    text = (tree / name).read_text()
    (tree / name).write_text(change(text))
    if complaint not in complaints(tree, build):
        sys.exit(f"twins: {complaint!r} was not said")
    (tree / name).write_text(text)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        copy_tree(tree)
        if complaints(tree, build):
            sys.exit("twins: the tree as it is has complaints")
        expect(tree, build, "vmx/exits.c", lambda text: text + "/* as Bochs has it */\n", "vmx/exits.c:")
        expect(tree, build, "devices/pci.c", lambda text: text.replace("QEMU", ""), "devices/pci.c: names no emulator")
        expect(tree, build, "vmx/ops.c", lambda text: text.replace("vmx_set_windows", "vmx_inject"), "its table of who fills struct virt_ops")
        expect(tree, build, "hv/vm/virt.h", lambda text: text.replace("    void (*disable)(void);", "    void (*disable)(void);\n    void (*again)(void);"), "no row says what lifecycle.again must do")
        (tree / "svm/cr.c").write_text("/* */\n")
        if "vmx/cr.c: is no more, or both have it" not in complaints(tree, build):
            sys.exit("twins: a reason that nobody needs was not found")
        (tree / "svm/cr.c").rename(tree / "svm/control.c")
        if "svm/control.c: the other vendor has no file of that name" not in complaints(tree, build):
            sys.exit("twins: a file that one vendor has alone was not found")


if __name__ == "__main__":
    main()
