"""
Guests that want more than their due, each beside a victim: what the victim gets is what it has computed itself, by its own
count of rounds, and not what Keel says of it. As a program it prints the table of docs/scheduling.md: `make attackers`.
"""
import functools
import re
import sys
import threading

import keel
import platforms
from keel import require
from registry import on_each
from test_guests import binary
from test_many import spin_for

SECONDS = 1
IPS = 100_000_000
LEAST = 0.95  # of its due
# The weights are 9 to 1: with one core the victim is due nine tenths, and with two, one of which only the attacker wants, all of its own.
WEIGHTS = {"victim": 900, "attacker": 100}
DUE = {1: 0.9, 2: 1.0}

# Name: the image, what to change in it, and keys of its VM.
LOOPS = ["pause", "cpuid", "ports", "device memory", "flushes", "APIC moves", "console", "console lines", "wakes itself", "8254 at 50 kHz",
         "clock at 8 kHz", "crashes", "resets by NMI", "page hiding"]
KEYS = {"console": {"serial": "console"}, "console lines": {"serial": "console"}, "crashes": {"on_crash": "restart"},
        "page hiding": {"testdev": "yes"}}
ATTACKERS = {name: ("loops", (b"way ", 0, number), KEYS.get(name, {})) for number, name in enumerate(LOOPS)} | {
    "masked timers": ("ticks", None, {"vcpus": 4}),
    "open timers": ("ticks", (b"lvt ", 0x30040, 0x20040), {"vcpus": 4}),
    "wake storm": ("storm", None, {"vcpus": 8}),
    "reset loop with a cap": ("resetter", None, {"vcpus": 2, "cap": 5}),
}

# Where time counts instructions: in QEMU on one core alone. ALWAYS are in make test, the others in long/.
PLACES = [("bochs-vmx", 1), ("bochs-vmx", 2), ("bochs-svm", 1), ("qemu-tcg-svm", 1)]
ALWAYS = [("bochs-vmx", 1), ("qemu-tcg-svm", 1)]
lock = threading.Lock()


def image(name, change):
    data = binary(f"attackers/{name}").read_bytes()
    if change:
        word, was, value = change
        old, new = (word + number.to_bytes(4, "little") for number in (was, value))
        require(data.count(old) == 1, f"guests/attackers/{name}.asm has no {word.decode()}")
        data = data.replace(old, new)
    return data


def rounds(platform, cores, attacker=None):
    """How many rounds the victim makes, alone or beside this attacker; on two cores it is kept to the second."""
    place = {"format": "flat", "load": "0x8000", "entry": "long"}
    conf = keel.vm("victim", memory="4M", kernel="spin", weight=WEIGHTS["victim"], **place, **({"cpus": 1} if cores > 1 else {}))
    files = {"spin": spin_for(SECONDS)}
    if attacker:
        name, change, keys = ATTACKERS[attacker]
        files["attacker"] = image(name, change)
        conf += keel.vm("attacker", kernel="attacker", **{"memory": "4M", "weight": WEIGHTS["attacker"], "serial": "none"} | place | keys)
    counted = {"options": ["-icount", "shift=3,sleep=off"]} if platform.kind == "qemu" else {}
    with keel.Booted(conf, files, megs=96, cpus=cores, ips=IPS, **platform.machine() | counted) as machine:
        return int(machine.expect(r"rounds (\d+)\r?\n", keel.PATIENCE)[1])


@functools.cache
def alone_once(name, cores):
    return rounds(platforms.PLATFORMS[name], cores)


def alone(name, cores):
    with lock:
        return alone_once(name, cores)


def share(platform, cores, attacker):
    """What the victim had of its due."""
    return rounds(platform, cores, attacker) / alone(platform.name, cores) / DUE[cores]


def row(attacker, cores):
    return f"{attacker}, {cores} core{'s' * (cores > 1)}"


def prefix(*place):
    return "attackers" if place in ALWAYS else "long/attackers"


def cell(attacker, name, cores):
    if platforms.excluded(f"{prefix(name, cores)}/{row(attacker, cores)}", name):
        return "-"
    return f"{share(platforms.PLATFORMS[name], cores, attacker):.1%}"


def register(name, cores):
    @on_each(prefix(name, cores), [(row(attacker, cores), attacker) for attacker in ATTACKERS], (name,))
    def victim_has_its_due(platform, attacker):
        had = share(platform, cores, attacker)
        require(had >= LEAST, f"beside {attacker} the victim had {had:.1%} of its due")


for place in PLACES:
    register(*place)


def main():
    print(f"{'victim has of its due':24}" + "".join(f"{name + ' ' + str(cores):>16}" for name, cores in PLACES))
    for attacker in ATTACKERS if len(sys.argv) < 2 else sys.argv[1:]:
        print(f"{attacker:24}" + "".join(f"{cell(attacker, *place):>16}" for place in PLACES), flush=True)


if __name__ == "__main__":
    main()
