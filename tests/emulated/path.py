#!/usr/bin/env python3
"""
`make path ROW="in 0x21"`: the way of one exit of `make bench`, instruction by instruction, and what part of it is whose;
without ROW, how long each row's is and how often it asks the VMCS. Bochs's debugger steps through VMX, gdb through
QEMU's SVM (VENDOR=svm).
"""
import collections
import os
import re
import socket
import subprocess
import sys

import bench
import keel
import pagewalk

ORIGIN = 0x8000  # of the guest
WARM = 10        # rounds before the one that is shown: what is remembered is there, the lowest and the highest are known
MOST = 3000      # instructions of a round that has lost its way


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def loop_ends(listing):
    """{row: where its loop jumps back}, from the guest's listing."""
    ends, row = {}, None
    for line in listing.read_text().splitlines():
        named = re.search(r'\bmeasure "(.+?)",', line)
        row = named[1] if named else row
        jump = re.match(r" *\d+ ([0-9A-F]{8}) \w+ .*jnz %%again", line)
        if jump and row:
            ends[row] = ORIGIN + int(jump[1], 16)
    return ends


def symbols():
    """Functions of the image, [(address, name)], the highest first."""
    found = re.findall(r"^([0-9a-f]{16}) [tT] (\w+)$", output_of("nm", "-n", f"{keel.KEEL}.debug"), re.MULTILINE)
    return [(int(address, 16), name) for address, name in reversed(found)]


def rounds_vmx(ends):
    """For each row [(address, instruction)] of one round: from behind the jump back to that jump."""
    with bench.booted("vmx", debugger=True, breakpoint=next(iter(ends.values()))) as machine:
        debugger = pagewalk.Debugger(machine)
        debugger.answer()
        for number, (row, end) in enumerate(ends.items(), 1):
            if number > 1:
                debugger.ask(f"lb {end:#x}")
            for _ in range(WARM):
                debugger.ask("c")
            debugger.ask(f"d {number}")
            steps = []
            while not steps or steps[-1][0] != end and len(steps) < MOST:
                at = re.search(r"\] \w+:(\w+) \([^)]*\): (.+?) *;", debugger.ask("s"))
                steps.append((int(at[1], 16), at[2]))
            yield row, steps


def rounds_svm(ends):
    """The same. gdb knows addresses only: it finds no memory through nested tables."""
    script = "set pagination off\nset architecture i386:x86-64\ntarget remote 127.0.0.1:{port}\n"
    for end in ends.values():
        script += (f"hbreak *{end:#x}\ncontinue {WARM}\ndelete\nset $steps = 0\nstepi\n"
                   f"while $pc != {end:#x} && $steps < {MOST}\n"
                   r'printf "\n=> %lx\n", $pc' "\nstepi\nset $steps = $steps + 1\nend\n"
                   f'printf "\\n=> {end:x}\\n"\n')
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with bench.booted("svm", options=("-S", "-gdb", f"tcp:127.0.0.1:{port}")) as machine:
        (machine.folder / "path.gdb").write_text(script.format(port=port))
        said = output_of("gdb", "-q", "-nx", "-batch", "-x", machine.folder / "path.gdb")
    code = output_of("objdump", "-d", "-M", "intel", "--no-show-raw-insn", f"{keel.KEEL}.debug")
    texts = {int(address, 16): text for address, text in re.findall(r"^(\w+):\t(.+?)(?: +#.*)?$", code, re.MULTILINE)}
    found = (int(address, 16) for address in re.findall(r"^=> (\w+)$", said, re.MULTILINE))
    for row, end in ends.items():
        steps = []
        while not steps or steps[-1][0] != end:
            at = next(found)
            steps.append((at, texts.get(at, "the guest's")))
        yield row, steps


def print_round(steps):
    names, parts = symbols(), collections.Counter()
    for address, text in steps:
        name, start = next(((name, start) for start, name in names if start <= address), ("guest", 0))
        parts[name] += 1
        print(f"{f'{name}+{address - start:#x}':36} {text}")
    print("\nof these:")
    for name, count in parts.items():
        print(f"{count:5} {name}")
    print()


def main():
    vendor, wanted = os.environ.get("VENDOR") or "vmx", os.environ.get("ROW")
    ends = loop_ends(bench.image(vendor).with_suffix(".lst"))
    if wanted and wanted not in ends:
        sys.exit(f"ROW={wanted}: there are {', '.join(ends)}")
    for row, steps in {"vmx": rounds_vmx, "svm": rounds_svm}[vendor]({wanted: ends[wanted]} if wanted else ends):
        if wanted:
            print_round(steps)
        reads, writes = (sum(text.startswith(name) for _, text in steps) for name in ("vmread", "vmwrite"))
        print(f"{row:26} {len(steps):5} instructions{f', {reads:2} VMREADs, {writes} VMWRITEs' if vendor == 'vmx' else ''}",
              flush=True)


if __name__ == "__main__":
    main()
