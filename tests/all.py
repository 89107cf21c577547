#!/usr/bin/env python3
"""`make test`: every check there is, one after another. The last line is `N passed, N failed`."""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = os.environ.get("BUILD", "build")
JOBS = os.environ.get("JOBS", "2")


def make(*arguments):
    """Runs make; returns whether it succeeded and what it said, both streams."""
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode == 0, done.stdout


def tail(output, lines=60):
    return "\n".join(output.splitlines()[-lines:])


def step(*arguments):
    """A check that is one make command: passed or failed."""

    def check():
        ok, output = make(*arguments)
        if not ok:
            print(tail(output))
        return (1, 0) if ok else (0, 1)

    return check


def unit_tests():
    """Counts every test of every program; one that does not build or dies counts as one failure."""
    _, output = make("-k", "-j", JOBS, "test-unit", f"BUILD={BUILD}")
    passed = sum(map(int, re.findall(r"\[  PASSED  \] (\d+) test", output)))
    failed = sum(map(int, re.findall(r"^ *(\d+) FAILED TEST", output, re.MULTILINE)))
    broken = len(re.findall(r"^make.*\*\*\*", output, re.MULTILINE))
    if failed or broken or not passed:
        print(tail(output))
    else:
        subprocess.run([ROOT / "tests/unit/coverage.py"], env=os.environ | {"BUILD": BUILD}, check=False)
    return passed, max(failed, broken, not passed)


def runs(target, word, *settings):
    """A check that runs several programs, each of which says a line that begins with the word when all is well."""

    def check():
        _, output = make("-k", "-j", JOBS, target, f"BUILD={BUILD}", *settings)
        passed = len(re.findall(rf"^{word} \S+: ", output, re.MULTILINE))
        failed = len(re.findall(r"^make.*\*\*\*", output, re.MULTILINE))
        if failed or not passed:
            print(tail(output))
        return passed, max(failed, not passed)

    return check


def reproducible():
    """Two builds in two folders are the same bytes."""
    images = []
    for folder in (f"{BUILD}/again-1", f"{BUILD}/a-folder-of-another-length"):
        ok, output = make(f"{folder}/keel.elf", f"BUILD={folder}", "-j", JOBS)
        if not ok:
            print(tail(output))
            return 0, 1
        images.append((ROOT / folder / "keel.elf").read_bytes())
    if images[0] != images[1]:
        print("two builds of keel.elf differ")
    return (1, 0) if images[0] == images[1] else (0, 1)


def image_size():
    """What a boot loader loads stays under 256 KiB."""
    listing = subprocess.run(["readelf", "-lW", ROOT / BUILD / "keel.elf"], stdout=subprocess.PIPE, text=True, check=True)
    size = sum(int(row.split()[4], 16) for row in listing.stdout.splitlines() if row.split()[:1] == ["LOAD"])
    print(f"keel.elf: {size} bytes to load")
    return (1, 0) if 0 < size < 256 * 1024 else (0, 1)


def emulated():
    """Passes the runner's own lines on as they come."""
    command = ["make", "--no-print-directory", "test-emulated", f"BUILD={BUILD}", f"JOBS={JOBS}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = None
    for line in process.stdout:
        found = re.fullmatch(r"(\d+) passed, (\d+) failed\n", line)
        counts = (int(found[1]), int(found[2])) if found else counts
        if not found:
            print(line, end="", flush=True)
    process.wait()
    return counts or (0, 1)


STEPS = [
    ("tools", step("tools", f"BUILD={BUILD}")),
    ("build with gcc", step("all", f"BUILD={BUILD}", "-j", JOBS)),
    ("build with clang", step("all", "CC=clang", f"BUILD={BUILD}/clang", "-j", JOBS)),
    ("reproducible build", reproducible),
    ("image size", image_size),
    ("format", step("format-check")),
    ("callers", step("check-calls", f"BUILD={BUILD}")),
    ("floors", step("check-floors", f"BUILD={BUILD}")),
    ("lines that guests cause", step("check-lines")),
    ("names in docs and comments", step("check-names")),
    ("unit tests", unit_tests),
    ("threads", runs("test-tsan", "threads")),
    ("fuzzers, 60 s each", runs("test-fuzz", "fuzz", "FUZZ_SECONDS=60")),
    ("whole-system tests", emulated),
]


def main():
    passed = failed = 0
    for name, check in STEPS:
        begin = time.monotonic()
        ok, bad = check()
        passed, failed = passed + ok, failed + bad
        print(f"{'FAILED' if bad else 'ok':6} {name:44} {time.monotonic() - begin:6.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
