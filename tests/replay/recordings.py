#!/usr/bin/env python3
"""
Replays the recordings that lie in tests/recordings: `recordings.py PROGRAM FOLDER`. Each must come to its end without a
difference; and with one bit of a device's answers changed, the replay must stop at the first exit that reads that device,
and name it.
"""
import gzip
import pathlib
import re
import subprocess
import sys

RECORDINGS = pathlib.Path(__file__).resolve().parents[1] / "recordings"

# A device's name, one of its answers' bits, and the ports that it answers at.
FLIPS = [("com1", 5, range(0x3F8, 0x400)), ("pic master", 0, range(0x20, 0x22)), ("rtc", 0, range(0x70, 0x72)),
         ("pit", 3, range(0x40, 0x44)), ("i8042 command", 1, range(0x64, 0x65))]
LINE = re.compile(r"^(\d+): .* port 0x(\w+), \d bytes? in$", re.MULTILINE)


class Wrong(Exception):
    """A replay that did not do what it must."""


def run(program, path, *options):
    done = subprocess.run([program, *options, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace"), done.returncode


def first_read(listing, ports):
    """The number of the first exit that reads one of these ports, or None."""
    return next((int(number) for number, port in LINE.findall(listing) if int(port, 16) in ports), None)


def check_same(program, path):
    """Returns how many exits there were, and a line for each."""
    said, status = run(program, path, "--list")
    end = re.search(r"^(\d+) exits replayed, no difference", said, re.MULTILINE)
    if status or not end:
        raise Wrong(f"{path.name}: exit status {status}:\n{said[-2000:]}")
    return int(end[1]), said


def check_flips(program, path, listing):
    """Returns the devices that were tried."""
    tried = []
    for device, bit, ports in FLIPS:
        expected = first_read(listing, ports)
        said, status = run(program, path, "--flip", f"{device}:{bit}")
        if expected is None or "there is no device" in said:
            continue
        if status != 1 or not said.startswith(f"The replay differs at exit {expected} of "):
            raise Wrong(f"{path.name}: bit {bit} of {device} shows first at exit {expected}; the replay says, with exit "
                        f"status {status}:\n{said[-2000:]}")
        if f"  device   {device}, ports" not in said or not re.search(r"what     rax: recorded 0x\w+, here 0x\w+", said):
            raise Wrong(f"{path.name}: the difference is not told as it should be:\n{said}")
        tried.append(device)
    if not tried:
        raise Wrong(f"{path.name}: it reads no device that can be changed")
    return tried


def check(program, path):
    exits, listing = check_same(program, path)
    return f"{path.name}: {exits} exits replayed, no difference; a bit changed in {', '.join(check_flips(program, path, listing))}: found"


def main():
    program, folder = sys.argv[1:]
    found = sorted(RECORDINGS.glob("*.gz"))
    if not found:
        sys.exit(f"{RECORDINGS} has no recordings")
    for packed in found:
        path = pathlib.Path(folder) / packed.stem
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        try:
            print(f"replay: {check(program, path)}")
        except Wrong as problem:
            sys.exit(f"replay: FAILED: {problem}\nWhere the change is intended: make recordings")


if __name__ == "__main__":
    main()
