#!/usr/bin/env python3
"""`make coverage`: how much of each folder the unit tests run, from what gcc's --coverage left in build/unit."""
import collections
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNIT = ROOT / os.environ.get("BUILD", "build") / "unit"
sys.path.insert(0, str(ROOT / "tests"))
import tree  # noqa: E402

FOLDERS = [place for floor in tree.FLOORS for place in floor]
ENOUGH = 80  # percent of a file's lines


def measure():
    """{file: {line: how often it ran}}, for every file of Keel that a unit test is linked with."""
    counts = collections.defaultdict(dict)
    data = sorted(UNIT.rglob("*.gcda"))
    if not data:
        sys.exit(f"coverage: {UNIT} has no results: run `make test-unit` with gcc first")
    command = ["gcov", "--json-format", "--stdout", *map(str, data)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"coverage: gcov failed (the results must be gcc's, not clang's): {done.stderr.strip()}")
    for document in filter(None, done.stdout.splitlines()):
        for file in json.loads(document)["files"]:
            name = os.path.normpath(file["file"])
            if os.path.dirname(name) not in FOLDERS or not (ROOT / name).exists():
                continue
            for line in file["lines"]:
                number = line["line_number"]
                counts[name][number] = counts[name].get(number, 0) + line["count"]
    return counts


def percent(lines):
    return 100 * sum(map(bool, lines)) / len(lines) if lines else 0


def print_table(counts):
    print("lines of the files that unit tests are linked with:")
    row = "{:16}{:>8}{:>8}{:>9}{:>9}"
    print(row.format("folder", "files", "lines", "covered", "percent"))
    everything = []
    for folder in FOLDERS:
        files = [list(counts[name].values()) for name in counts if os.path.dirname(name) == folder]
        lines = [line for file in files for line in file]
        everything += lines
        if files:
            print(row.format(folder, len(files), len(lines), sum(map(bool, lines)), f"{percent(lines):.1f}"))
    print(row.format("all", len(counts), len(everything), sum(map(bool, everything)), f"{percent(everything):.1f}"))


def print_names(title, names, most=110):
    line = f"{title}:"
    for name in names:
        if len(line) + len(name) + 1 > most:
            print(line)
            line = "   "
        line += f" {name}"
    print(line if names else f"{title}: none")


def main():
    counts = measure()
    print_table(counts)
    low = [f"{name} ({percent(list(counts[name].values())):.0f}%)" for name in sorted(counts)
           if percent(list(counts[name].values())) < ENOUGH]
    print_names(f"below {ENOUGH}%", low)
    sources = [str(path.relative_to(ROOT)) for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.c"))]
    linked = {name for name in sources if name in counts or (UNIT / name).with_suffix(".o").exists()}  # or it is only data
    print_names("in no unit test", [name for name in sources if name not in linked])


if __name__ == "__main__":
    main()
