#!/usr/bin/env python3
"""`twins.py BUILD`: vmx/ and svm/ are twins, docs/porting.md says who fills each operation, and what only an emulator needs stands in files named quirks.

Prints what is not so, and exits 1 then. `twins.py table` prints the table of docs/porting.md."""
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


GROUPS = ("lifecycle", "run", "state", "show")


def members():
    """`group.member` of struct virt_ops, in order."""
    text = "".join(re.sub(r"/\*.*?\*/", "", (tree.ROOT / name).read_text(), flags=re.DOTALL) for name in ("hv/vm/virt.h", "hv/cpu/virt_state.h"))
    for group in GROUPS:
        body = re.search(rf"^struct virt_{group} \{{\n(.*?)^\}};", text, re.MULTILINE | re.DOTALL)[1]
        yield from (f"{group}.{one or two}" for one, two in re.findall(r"^    (?! )(?:.*?\(\*(\w+)\)\(|.*?(\w+)(?:\[\d+\])?;)", body.replace("struct {", ""), re.MULTILINE))


def fillers(vendor):
    """{member: what the vendor's table has there}."""
    text = (tree.ROOT / vendor / "ops.c").read_text()
    for group in GROUPS:
        body = re.search(rf"(?:\.{group} =|virt_{group} \w+ =)\s*\{{\n(.*?)^ *\}}(?:;|,\n(?: *\.|\}};))", text, re.MULTILINE | re.DOTALL)[1]
        yield from ((f"{group}.{name}", value) for name, value in re.findall(r"\.(\w+) = &?(\w+|\{)", body))


def home(vendor, value, files):
    """The file of the vendor's, or of hv/, that defines a function or an object."""
    pattern = re.compile(rf"^(?!extern)[\w(][^\n;={{}}]*\b{value}(?:\(|\b[^\n;]*=)", re.MULTILINE)
    places = [name for name in files if name.startswith((f"{vendor}/", "hv/")) and name.endswith(".c") and pattern.search(files[name])]
    places.sort(key=lambda name: (not name.startswith(vendor), not name.endswith("ops.c")))
    return places[0] if places else None


def filled(vendor, value, files):
    """A cell of the table."""
    place = value and home(vendor, value, files)
    return "" if not value else f"`{value}` in `{place}`" if place else "yes" if value == "true" else f"`{vendor}/ops.c`"


def table():
    """Who fills each member of struct virt_ops, for docs/porting.md."""
    files, by = tree.texts(), {vendor: dict(fillers(vendor)) for vendor in ("vmx", "svm")}
    rows = [f"| `{name}` | " + " | ".join(filled(vendor, by[vendor].get(name), files) for vendor in by) + " |" for name in members()]
    return "\n".join(["| member | VMX | SVM |", "|---|---|---|"] + rows)


def page():
    """What docs/porting.md has not as it is."""
    text = (tree.ROOT / "docs/porting.md").read_text()
    if table() not in text:
        yield f"docs/porting.md: its table of who fills struct virt_ops is another one than `{sys.argv[0]} table` prints"
    for name in members():
        if not re.search(rf"^\|[^|]*`{re.escape(name)}`[^|]*\|[^|]*\|", text.replace(table(), ""), re.MULTILINE):
            yield f"docs/porting.md: no row says what {name} must do"


def main():
    if sys.argv[1:] == ["table"]:
        print(table())
        return
    found = sorted({*emulators(), *alone(), *page()})
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
