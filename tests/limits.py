#!/usr/bin/env python3
"""`limits.py`: files and functions that a reader can hold, a first comment that says what is in each file, and no name that nobody uses.

Prints what is not so, and exits 1 then."""
import collections
import pathlib
import re
import sys

import tree
from kept import code

FILE, FUNCTION, ROOM = 500, 40, 4500  # lines; a file has fewer, a function at most so many, with its signature and braces, a room fewer
TEST_FILE, TEST_FUNCTION = 800, 70  # of tests: a list of sentences, each with its steps
CODE = (".c", ".h", ".asm", ".inc", ".nasm")
PRODUCT = ("boot/", "hv/", "vmx/", "svm/", "devices/", "ept/")
FUNCTION_START = re.compile(r"^(?!static const|const|struct \w+ \{|enum|union|typedef|extern)[A-Za-z_][^\n;=]*\([^;{}]*\)\n\{\n.*?^\}", re.MULTILINE | re.DOTALL)

# What is longer, and why.
LONGER = {
    "vmx/registers.c: vmx_set": "a row for each register",
    "vmx/vcpu.c: write_constant_fields": "most of it is a table",
    "vmx": "the checks of an entry, most of it tables, are 1,400 lines",
    "guests/smp.asm": "a guest is one file, as it is loaded",
}

# Macros and inline functions of the product that nothing uses yet.
UNUSED = {
    "VMX_EPT_ADVANCED_INFORMATION": "a list of the manual's",
    "VMX_EPT_EXECUTE_ONLY": "a list of the manual's",
    "VMX_REASON_ENTRY_FAILED": "a list of the manual's",
    "VMX_VPID_ADDRESS": "a list of the manual's",
    "VMX_VPID_SINGLE_GLOBALS": "a list of the manual's",
    "TASK_HAS_ERROR": "a list of the manual's",
}


def sizes(files):
    rooms = collections.Counter()
    for name, text in files.items():
        count = text.count("\n")
        rooms[tree.room(name)] += count if name.startswith(PRODUCT) else 0
        most, longest = (TEST_FILE, TEST_FUNCTION) if name.startswith("tests/") else (FILE, FUNCTION)
        if count >= most and name not in LONGER:
            yield f"{name}: {count} lines, {most - 1} at most"
        for found in FUNCTION_START.finditer(text) if name.endswith(".c") else ():
            lines = found[0].count("\n") + 1
            if lines > longest:
                word = re.search(r"(\w+)\(", found[0])[1]
                if f"{name}: {word}" not in LONGER:
                    yield f"{name}: {word} has {lines} lines, {longest} at most"
    for place, count in rooms.items():
        if count >= ROOM and place not in LONGER:
            yield f"{place}: {count} lines, a room has fewer than {ROOM}"


def comments(files):
    """A .c that begins with its own header is described there, a test by the sentences that its tests are named with."""
    for name, text in files.items():
        if re.match(r"tests/unit/\w+/test_\w+\.c$", name):
            continue
        own = f'#include "{name[:-1]}h"' if name.endswith(".c") else None
        if not text.startswith(("/*", ";")) and not (own and text.startswith(own) and name[:-1] + "h" in files):
            yield f"{name}: does not begin with a comment that says what is in it"


def unused(files):
    words = collections.Counter(word for name, text in files.items() for word in re.findall(r"\w+", code(text) if not name.endswith("asm") else text))
    for name, text in files.items():
        if not name.startswith(PRODUCT) or not name.endswith((".c", ".h")):
            continue
        text = code(text)
        defined = set(re.findall(r"^\s*#define (\w+)", text, flags=re.MULTILINE)) | set(re.findall(r"^static inline [^;{=]*?\b(\w+)\(", text, flags=re.MULTILINE))
        for word in defined:
            if words[word] == 1 and word not in UNUSED:
                yield f"{name}: nothing uses {word}"


def main():
    files = {name: text for name, text in tree.texts().items() if name.endswith(CODE + (".asl",))}
    found = sorted({*sizes(files), *comments(files), *unused(files)})
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
