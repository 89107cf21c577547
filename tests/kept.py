#!/usr/bin/env python3
"""`kept.py BUILD`: what another architecture keeps of Keel names nothing of x86's, and docs/porting.md says what it asks of the rest.

Prints what is not so, and exits 1 then. `kept.py BUILD table` prints the table of docs/porting.md."""
import collections
import pathlib
import re
import sys

import tree

# Rooms, and files of other rooms, that a second architecture keeps as they are. All others it replaces.
KEPT = ["hv/lib", "ept", "hv/vm", "hv/run", "hv/console", "hv/life", "hv/monitor", "hv/observe", "hv/gdb", "hv/crash"]
KEPT_FILES = [f"hv/host/{name}" for name in ("boot_info.h", "frames.c", "frames.h", "log.c", "log.h", "log_ring.h", "timer.c", "timer.h", "witness.c", "witness.h")]
KEPT_FILES += [f"hv/load/{name}" for name in ("elf.c", "elf.h", "elf_sections.c")]
KEPT_FILES += [f"hv/show/{name}" for name in ("guest_symbols.c", "guest_symbols.h", "symbols.c", "symbols.h")]

# Where x86 stands in words: what these files define is x86's, but for what each architecture has under the same name.
X86 = ["hv/x86/*.h", "hv/host/instructions.h"]
EVERYWHERE = {
    "struct vcpu_arch": "its part of a vCPU",
    "struct vm_arch": "its part of a VM",
    "DEVICES_FIRST": "where no VM has RAM",
    "DEVICES_END": "where RAM may go on",
    "struct debug_point": "what a debugger watches by hardware",
    "enum debug_access": "how",
    "DEBUG_ON_EXECUTION": "one of its values",
    "DEBUG_ON_WRITE": "one of its values",
    "DEBUG_ON_ACCESS": "one of its values",
    "DEBUG_POINTS": "how many hardware has",
}

# What kept files use of x86 all the same, and why.
USES = {
}


def is_kept(name):
    return tree.room(name) in KEPT or name in KEPT_FILES


def code(text):
    """Without comments and what stands in quotes; lines stay."""
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL))


def defined(text):
    """{name: pattern of its use} of what a header defines: macros, enumerators, types, functions."""
    text = code(text).replace("\\\n", " ")
    body = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    words = set(re.findall(r"^\s*#define (\w+)", text, flags=re.MULTILINE))
    for enumerators in re.findall(r"enum(?: \w+)? \{(.*?)\}", body, flags=re.DOTALL):
        words.update(re.findall(r"(?:^|,)\s*(\w+)", enumerators))
    types = {" ".join(found) for found in re.findall(r"\b(struct|enum|union) (\w+) \{", body)}
    calls = set(re.findall(r"^(?!return|else)[A-Za-z_][\w \*]*?\b\**(\w+)\(", body, flags=re.MULTILINE))
    return {name: rf"\b{name}\b" for name in words | types} | {name: rf"\b{name}\(" for name in calls}


def x86_names(texts):
    names = {"->arch": r"(?:\.|->)arch\.\w+"}
    for name, text in texts.items():
        if any(pathlib.PurePath(name).match(pattern) for pattern in X86):
            names |= defined(text)
    return {name: pattern for name, pattern in names.items() if name not in EVERYWHERE}


def uses_of_x86():
    """Kept files that name x86, and have no reason in USES; and reasons that nobody needs."""
    texts = tree.texts()
    pattern = re.compile("|".join(sorted(x86_names(texts).values(), key=len, reverse=True)))
    needed = set()
    for name, text in texts.items():
        if not name.endswith((".c", ".h")) or not is_kept(name):
            continue
        for number, line in enumerate(code(text).splitlines(), 1):
            found = None if line.startswith("#include") else pattern.search(line)
            if found and name not in USES:
                yield f"{name}:{number}: {found[0].rstrip('(')} is x86's, and another architecture keeps this file: {sys.argv[0]} has the list"
            if found:
                needed.add(name)
    for name in USES.keys() - needed:
        yield f"{name}: uses nothing of x86's: take it off the list in {sys.argv[0]}"


def seam(build):
    """{room: what its replaced files have that kept files ask for}."""
    asked = collections.defaultdict(set)
    for name, what, other in tree.uses(build):
        if is_kept(name) and not is_kept(other) and what != "includes":
            asked[tree.room(other)].add(what)
    return asked


def table(build):
    order = [place for floor in tree.FLOORS for place in floor]
    rows = [(place, sorted(names)) for place, names in sorted(seam(build).items(), key=lambda row: order.index(row[0]))]
    return "\n".join(["| room | what the kept rooms ask of it |", "|---|---|"] + [f"| `{place}` | " + ", ".join(f"`{name}`" for name in names) + " |" for place, names in rows])


def page(build):
    """What docs/porting.md has not as it is."""
    text = (tree.ROOT / "docs/porting.md").read_text()
    if table(build) not in text:
        yield f"docs/porting.md: its table of what the kept rooms ask is another one than `tests/kept.py {build} table` prints"
    for place in [place for floor in tree.FLOORS for place in floor]:
        word = "keeps" if place in KEPT else "replaces"
        if not re.search(rf"^\| `{place}` \| {word} \|", text, flags=re.MULTILINE):
            yield f"docs/porting.md: no row says that another architecture {word} {place}"


def main():
    build = pathlib.Path(sys.argv[1])
    if sys.argv[2:] == ["table"]:
        print(table(build))
        return
    found = sorted({*uses_of_x86(), *page(build)})
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
