#!/usr/bin/env python3
"""What must be true of the tree as a whole: `tree.py names`, `lines`, `tests`, `calls BUILD`, `floors BUILD`. Prints what is not, and exits 1 then."""
import collections
import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Functions that nothing in the image calls, and why they stay.
UNCALLED = {
}

# Who prints to the log past a VM's budget of lines: a folder, a file or a function, and who causes it, or how often.
SAYS = re.compile(r"\b(?:log_line|log_lines_init|report_begin|log_text|log_writer)\b(?! *=)")
SPEAKERS = {
    "boot/": "the machine's start and end",
    "hv/host/acpi.c": "the machine's start",
    "hv/host/paging.c": "the machine's start",
    "hv/host/smp.c": "the machine's start",
    "hv/host/power.c": "the machine's end",
    "hv/host/log.c": "it is the log",
    "hv/crash/panic.c": "Keel's own end",
    "hv/crash/watchdog.c": "a fault of Keel, once for each core that stands still",
    "hv/console/console_keys.c: console_listen": "the machine's start",
    "hv/gdb/gdb_port.c: gdb_port_open": "the machine's start",
    "hv/monitor/monitor_machine.c": "a person's order",
    "hv/crash/crash.c: crash_begin": "asks vm_may_report_crash first",
    "hv/observe/record.c: finish": "once for each start by order",
    "hv/life/vm_log.c": "it keeps the budgets",
    "hv/life/config_modules.c": "the configuration, when it is read",
    "hv/life/config_say.c": "the configuration, when it is read",
    "hv/cpu/hygiene.c": "the machine's start",
    "hv/vm/bus.c": "a mistake of Keel's in the table of a bus, when a VM is made",
    "hv/life/create.c: refuse": "ends the VM for good, once for each start by order",
    "hv/observe/reports.c: reports_vm_ended": "asks vm_may_report first",
    "hv/life/life.c: turn": "a person's order",
    "hv/life/life_table.c: check_memory": "once, when no VM is left",
    "hv/life/life_table.c: vm_release": "once, when no VM is left",
    "hv/run/sched.c: report_share": "when the VM is off, once for each start by order",
    "hv/load/acpi.c": "the configuration, and ends the VM",
    "devices/pci.c": "a mistake of Keel's in the table of functions, when a VM is made",
    "svm/quirks_probe.c": "the machine's start",
    "svm/controls.c": "the machine's start",
    "svm/ops.c": "the machine's start",
    "svm/vcpu.c": "a VM is made",
    "vmx/quirks.c": "the machine's start",
    "vmx/ops.c": "the machine's start",
    "vmx/vcpu.c": "a VM is made",
}

# The floors, the highest first. A room includes and calls those of lower floors alone; two on one floor know nothing of each other.
FLOORS = [
    ["boot"],
    ["vmx", "svm", "devices"],
    ["devices/irq"],
    ["hv/monitor"],
    ["hv/gdb"],
    ["hv/observe"],
    ["hv/crash"],
    ["hv/show"],
    ["hv/life"],
    ["hv/console"],
    ["hv/load"],
    ["hv/exit"],
    ["hv/run"],
    ["hv/emulate"],
    ["hv/decode"],
    ["hv/event"],
    ["hv/walk"],
    ["hv/cpu"],
    ["hv/vm"],
    ["hv/host"],
    ["hv/x86"],
    ["ept"],
    ["hv/lib"],
]

PATH = re.compile(r"(?<![\w/.-])(?:boot|hv|vmx|svm|devices|ept|guests|tests|tools|docs)/[\w./*-]*[\w*]")


def functions(*files):
    """Global functions that object files or a program define."""
    listing = subprocess.run(["nm", "--defined-only", *files], stdout=subprocess.PIPE, text=True, check=True)
    return {row.split()[2] for row in listing.stdout.splitlines() if re.fullmatch(r"\w+ T \w+", row)}


def source(compiled):
    """X.o is of X.c, X.asm.o of X.asm."""
    return ROOT / (compiled.with_suffix("") if compiled.stem.endswith(".asm") else compiled.with_suffix(".c"))


def calls(build):
    """What was compiled and the linker left out: nothing in the image calls it, or only its own file, inlined."""
    folder = build / "keel"
    objects = [found for found in folder.rglob("*.o") if source(found.relative_to(folder)).exists()]  # else of a file removed since
    uncalled = functions(*objects) - functions(build / "keel.elf.debug")
    for name in uncalled - UNCALLED.keys():
        yield f"{name}: nothing in the image calls it; remove it or make it static"
    for name in UNCALLED.keys() - uncalled:
        yield f"{name}: is called, or is no more: take it off the list in {sys.argv[0]}"


def room(name):
    """The room of a file: its folder."""
    return str(pathlib.PurePath(name).parent)


def symbols(compiled):
    """What an object file defines, and what it needs from others."""
    listing = subprocess.run(["nm", compiled], stdout=subprocess.PIPE, text=True, check=True)
    rows = [row.split() for row in listing.stdout.splitlines()]
    return {row[-1] for row in rows if row[-2] in "TDBRCVW"}, {row[-1] for row in rows if row[-2] == "U"}


def uses(build):
    """(file, what it names, the file that has that), of each include and of each symbol of another file."""
    files = [name for name in texts() if name.endswith((".c", ".h", ".asm")) and not name.startswith(("tests/", "guests/", "boot/efi/", "tools/"))]
    for name in files:
        for included in re.findall(r'#include "([^"]+)"', (ROOT / name).read_text()):
            if included in files:
                yield name, "includes", included
    compiled = {name: build / "keel" / re.sub(r"\.c$", ".o", name.replace(".asm", ".asm.o")) for name in files if not name.endswith(".h")}
    tables = {name: symbols(file) for name, file in compiled.items() if file.exists()}
    owner = {symbol: name for name, (defined, _) in tables.items() for symbol in defined}
    for name, (_, needed) in tables.items():
        for symbol in needed & owner.keys():
            if owner[symbol] != name:
                yield name, symbol, owner[symbol]


def floors(build):
    """Arrows that run up, or between two rooms of one floor; rooms on a circle are found so too, as one arrow of it must run up."""
    level = {place: number for number, floor in enumerate(FLOORS) for place in floor}
    for name, what, other in uses(build):
        here, there = room(name), room(other)
        for place in {here, there} - level.keys():
            yield f"{place}: is on no floor: {sys.argv[0]} has their list"
        if here != there and level.get(here, 0) >= level.get(there, 99):
            yield f"{name}: {what} of {other}, which is not below it: {here} is on floor {len(FLOORS) - level.get(here, 0)}, {there} on floor {len(FLOORS) - level.get(there, 0)}"
    page = (ROOT / "docs/architecture.md").read_text()
    said = re.findall(r"^floor (\d+) +(\S+)/", page, flags=re.MULTILINE)
    wanted = [(str(len(FLOORS) - number), place) for number, floor in enumerate(FLOORS) for place in floor]
    if said != wanted:
        yield f"docs/architecture.md: its floors are {' '.join(map(' '.join, said))}; here they are {' '.join(map(' '.join, wanted))}"
    yield from circles(build)


def reached(arrows, begin):
    """The files to which arrows lead from one, over others too."""
    found, left = set(), [begin]
    while left:
        for other in arrows.get(left.pop(), {}):
            if other not in found:
                found.add(other)
                left.append(other)
    return found


def node(name):
    """What counts as one file on a circle. In the vendors' rooms X.c and X.h do; and the world switch with the exits that it is for,
    as each calls the other: a return value would cost each exit a test."""
    if room(name) not in ("vmx", "svm"):
        return name
    unit = re.sub(r"\.\w+$", "", name)
    return re.sub(r"/entry$", "/exits", unit)


def circles(build):
    """Files that lead to themselves: by includes, and by symbols."""
    arrows = collections.defaultdict(lambda: collections.defaultdict(set))
    for name, what, other in uses(build):
        if node(name) != node(other):
            arrows[node(name)][node(other)].add(what)
    reach = {name: reached(arrows, name) for name in arrows}
    for name in sorted(arrows):
        for other in sorted(arrows[name]):
            if name in reach.get(other, ()):
                yield f"{name}: {', '.join(sorted(arrows[name][other]))} of {other}, which leads back to it: both are on a circle"


def texts():
    """Every source and page by name."""
    listing = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    names = [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text(errors="replace") for name in names}


def headings(page):
    """As links name them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}


def broken_links(name, page):
    for link, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page):
        target = (ROOT / name).parent / link if link else ROOT / name
        if not target.exists():
            yield f"{name}: there is no {link}"
        elif heading and heading not in headings(target.read_text()):
            yield f"{name}: {link or 'it'} has no heading #{heading}"


def names():
    """Paths, functions and links that pages and comments name, and that are not there."""
    files, spoken, words = texts(), [], set()
    for name, text in files.items():
        if name.endswith(".md"):
            yield from broken_links(name, text)
            spoken += [(name, code) for code in re.findall(r"`([^`\n]+)`", text)]
        else:
            comments = re.findall(r"/\*.*?\*/", text, re.DOTALL) if name.endswith((".c", ".h")) else []
            spoken += [(name, comment) for comment in comments]
            for comment in comments:
                text = text.replace(comment, "")
            words.update(re.findall(r"\w+", text), [pathlib.PurePath(name).stem])
    paths = files.keys() | {str(parent) for name in files for parent in pathlib.PurePath(name).parents}
    for name, text in spoken:
        for path in PATH.findall(text):
            if not fnmatch.filter(paths, path.replace("NAME", "*")):
                yield f"{name}: there is no {path}"
        word = r"^[a-z]\w*_\w+(?=\(|$)" if name.endswith(".md") else r"\b[a-z]\w*(?=\(\))|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b"
        for word in set(re.findall(word, text)) - words:
            yield f"{name}: nothing is called {word}"


def tests_in_rooms():
    """Tests in folders that are no rooms, stand-ins for files that are not there, and weak symbols, which would hide both."""
    rooms = {pathlib.PurePath(place).name for floor in FLOORS for place in floor}
    for name, text in texts().items():
        parts = pathlib.PurePath(name).parts
        if name.startswith("tests/unit/") and len(parts) > 3 and parts[2] not in rooms:
            yield f"{name}: {parts[2]} is not the name of a room"
        if parts[:2] == ("tests", "unit") and re.match(r"test_.*\.c$", parts[-1]) and len(parts) != 4:
            yield f"{name}: a test stands in the folder of its room"
        if name.startswith("tests/standins/") and not (ROOT / name.removeprefix("tests/standins/")).exists():
            yield f"{name}: stands for a file that is not there"
        if name.startswith("tests/") and name.endswith((".c", ".h")) and re.search(r"__attribute__\(\(\s*_*weak", text):
            yield f"{name}: a weak symbol hides what a test is linked with: tests/standins/ has a library"


def lines():
    """Functions that print to the log past vm_log, and have no reason in SPEAKERS; and reasons that nobody needs."""
    needed = set()
    for name, text in texts().items():
        if not name.endswith(".c") or name.partition("/")[0] not in ("boot", "hv", "vmx", "svm", "devices", "ept"):
            continue
        function = None
        for number, line in enumerate(re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL).splitlines(), 1):
            begins = re.match(r"[A-Za-z_][^;={]*?\b(\w+)\([^;]*$", line)
            function = begins[1] if begins else function
            if begins or not SAYS.search(line):
                continue
            places = {name, f"{name}: {function}", name.partition("/")[0] + "/"} & SPEAKERS.keys()
            needed |= places
            if not places:
                yield f"{name}:{number}: {function} prints to the log: a guest that causes it needs vm_log (hv/life/vm_log.h); else {sys.argv[0]} wants to know who does"
    for place in SPEAKERS.keys() - needed:
        yield f"{place}: prints nothing to the log: take it off the list in {sys.argv[0]}"


def main():
    checks = {"names": names, "lines": lines, "tests": tests_in_rooms}
    built = {"calls": calls, "floors": floors}
    found = sorted(set(checks[sys.argv[1]]() if sys.argv[1] in checks else built[sys.argv[1]](pathlib.Path(sys.argv[2]))))
    for line in found:
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
