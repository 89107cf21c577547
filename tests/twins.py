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

# Files that one vendor has alone, and why.
ALONE = {
    "vmx/apic.c": "hardware's APIC, which SVM's AVIC is not used for",
    "vmx/apic.h": "likewise",
    "vmx/checks_control.c": "the SDM has five times as many checks as the APM: a file for each kind of field",
    "vmx/checks_guest.c": "likewise",
    "vmx/checks_host.c": "likewise",
    "vmx/checks_rows.c": "likewise",
    "vmx/checks_rows.h": "likewise",
    "vmx/checks_segment.c": "likewise",
    "vmx/cr.c": "bits of CR0 and CR4 that are owned; SVM has whole registers intercepted, or not",
    "vmx/cr.h": "likewise",
    "vmx/owned.h": "likewise",
    "vmx/instructions.h": "VMREAD and VMWRITE; a VMCB is memory",
    "svm/quirks_probe.c": "emulators have SVM wrong in what only a VMRUN shows",
    "svm/quirks_trap.asm": "likewise, behind it",
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


def alone():
    """Files of one vendor that the other has not, without a reason; and reasons that nobody needs."""
    files = {vendor: {name.partition("/")[2] for name in tree.texts() if name.startswith(f"{vendor}/")} for vendor in ("vmx", "svm")}
    found = {f"{vendor}/{name}" for vendor, other in (("vmx", "svm"), ("svm", "vmx")) for name in files[vendor] - files[other]}
    for name in found - ALONE.keys():
        yield f"{name}: the other vendor has no file of that name: the same thing has the same name in both"
    for name in ALONE.keys() - found:
        yield f"{name}: is no more, or both have it: take it off the list in {sys.argv[0]}"


def main():
    found = sorted({*emulators(), *alone()})
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
