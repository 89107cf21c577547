#!/usr/bin/env python3
"""`twins.py BUILD`: vmx/ and svm/ are twins, and what only an emulator needs stands in files named quirks. Prints what is not so, and exits 1 then."""
import pathlib
import re
import sys

import tree

EMULATOR = re.compile(r"\b(?:bochs|qemu|tcg)\b", re.IGNORECASE)

# Files other than quirks that name an emulator, and why.
NAMES = {
    "devices/fw_cfg.c": "the device is QEMU's, and answers with its name",
    "devices/fw_cfg.h": "likewise",
    "devices/pci.c": "whose ids a guest must not see",
    "devices/testdev.h": "the device is QEMU's",
}


def is_image(name):
    return name.endswith((".c", ".h", ".asm", ".inc")) and name.partition("/")[0] in ("boot", "hv", "vmx", "svm", "ept", "devices") and not name.startswith("boot/efi/")


def emulators():
    """Emulators that are named outside of quirks; and reasons that nobody needs."""
    needed = set()
    for name, text in tree.texts().items():
        if not is_image(name) or pathlib.PurePath(name).stem.startswith("quirks"):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            found = EMULATOR.search(line)
            if found and name not in NAMES:
                yield f"{name}:{number}: names {found[0]}: what only an emulator needs stands in quirks.c and docs/emulators.md"
            if found:
                needed.add(name)
    for name in NAMES.keys() - needed:
        yield f"{name}: names no emulator: take it off the list in {sys.argv[0]}"


def main():
    found = sorted({*emulators()})
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
