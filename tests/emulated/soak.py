#!/usr/bin/env python3
"""
`make soak`: many VMs that start, stop, reset, crash, pause and go on by chance, for a given time. All of it goes through the
monitor on the serial line. At the end each VM has come to its end with right sums, and all memory is free.
"""
import argparse
import random
import re
import sys
import time
import typing

import keel
import platforms
from keel import Failure, require
from test_guests import binary, mode, rounds


class Pace(typing.NamedTuple):
    """How much a kind of emulator is given to do, and how long it may take. Bochs' time is its own, whatever the host's load."""

    ips: int        # Bochs: fewer instructions to a second, and what waits by the clock is over sooner
    turns: int      # that the processors of `rounds` take
    orders: int     # after so many the end begins, if the seconds are not over before
    patience: int   # a second of these, below, in seconds of the host


PACES = {"qemu": Pace(ips=0, turns=10000, orders=1 << 30, patience=1), "bochs": Pace(ips=20_000_000, turns=400, orders=100, patience=6)}

# Seconds: a VM that runs and shows no exit and no time had for so long stands still, and one that starts or ends.
STILL = 60
WAITS = 150     # between two crashes Keel waits up to 64 s of its own
COMPUTES = 240  # seconds of a core's time that nobody here needs to come to its end
ANSWERS = 120   # for the monitor

# What runs: the guest, how it ends by itself (None: never), and its section's keys.
PASSES, CRASHES = r"exited with status 1", r"crashed: triple fault"
KINDS = {
    "ring1": ("rounds", PASSES, {}),
    "ring2": ("rounds", PASSES, {"vcpus": 2, "cap": 60}),
    "ring4": ("rounds", PASSES, {"vcpus": 4, "weight": 200}),
    "ring3": ("rounds", PASSES, {"vcpus": 3, "cpus": 1}),
    "smp": ("smp", PASSES, {"vcpus": 3}),
    "adds": ("adds", PASSES, {"weight": 50}),
    "spin": ("spin", PASSES, {"vcpus": 2, "weight": 300}),
    "capped": ("spin", PASSES, {"cap": 20}),
    "triple": ("triple", CRASHES, {"memory": "2M"}),
    "again": ("again", CRASHES, {"memory": "2M", "vcpus": 2, "on_crash": "restart"}),     # clearing is most of what these two do
    "resets": ("resets", None, {"memory": "2M"}),
    "floods": ("floods", None, {"vcpus": 2, "serial": "none"}),
}
CLEAR = "\x1b[K"
ORDERS = {"start": 5, "stop": 2, "reset": 2, "pause": 3, "resume": 4}
LOOKS = ["queues", "timers", "memory", "regs ring4.1", "irq smp", "regs floods.1", "vmcs spin", "mem adds 8000"]


def configuration():
    sections = [keel.vm(name, **{"memory": "8M", "autostart": "no"} | keys, kernel=guest, format="flat", load="0x8000", entry=mode(guest))
                for name, (guest, _, keys) in KINDS.items()]
    return "[keel]\nall_off = monitor\n" + "".join(sections)


def images(vendor, count):
    """The guests' images; `count` turns in that of `rounds`."""
    files = {guest: binary(guest, vendor).read_bytes() for guest, _, _ in KINDS.values()}
    files["rounds"] = rounds(vendor, count)
    return files


class Watched:
    """What is known of a VM from outside."""

    def __init__(self, name, patience):
        self.name, self.patience, self.state, self.seen = name, patience, "off", None
        self.changed = time.monotonic()
        self.ran = 0.0

    def look(self, state, ran, exits):
        if (state, ran, exits) != self.seen:
            self.changed = time.monotonic()
        self.seen, self.state, self.ran = (state, ran, exits), state, ran

    def stands_still(self):
        """Why, or None."""
        quiet = (time.monotonic() - self.changed) / self.patience
        if self.state in ("running", "starting", "ending") and quiet > STILL:
            return f"{self.name} is {self.state} and has made no progress for {quiet:.0f} s"
        if self.state == "waiting" and quiet > WAITS:
            return f"{self.name} waits for {quiet:.0f} s"
        if self.ran > COMPUTES and KINDS[self.name][1]:
            return f"{self.name} has computed for {self.ran:.0f} s and does not end"
        return None


class Soak:
    def __init__(self, machine, seed, patience):
        self.machine, self.random, self.answers = machine, random.Random(seed), ANSWERS * patience
        self.vms = {name: Watched(name, patience) for name in KINDS}
        self.ends, self.orders, self.read = 0, 0, 0
        machine.expect(r"Keel's monitor: [^\0]*keel> ", self.answers)    # it opens by itself: all VMs are off
        self.free = self.memory()

    def say(self, line):
        """Types a line, which others' lines may break: the prompt is shown again then. Returns what is said until the next one."""
        machine, limit = self.machine, time.monotonic() + self.answers
        machine.send(line)
        while machine.log.rpartition("keel> ")[2].replace(CLEAR, "") != line:
            machine.receive(0.1)
            require(time.monotonic() < limit, machine.report(f"the monitor does not show what is typed: {line}"))
        begin = machine.seen = len(machine.log)
        machine.send("\r")
        machine.expect(r"^\r?keel> " + re.escape(CLEAR), self.answers)
        return machine.log[begin:machine.seen].replace("\r", "")

    def memory(self):
        """What is in use of the guests' memory and of Keel's own."""
        for _ in range(10):     # a line of a VM may come into the middle of these
            said = self.say("memory")
            guests = re.search(r"guests: (\d+) MiB, (\d+) MiB free", said)
            own = re.search(r"Keel: (\d+) KiB.*", said)
            if guests and own:
                return int(guests[1]) - int(guests[2]), own[0]
        raise Failure(self.machine.report("`memory` says something else"))

    def look(self):
        said = self.say("vms") + self.say("vcpus")
        for name, vm in self.vms.items():
            row = re.search(rf"^ *\d+ {name} +(\w+) +\d+ +\d+ MiB(?: +\d+ +\S+ +(\d+\.\d+) s)?", said, re.MULTILINE)
            if row:
                exits = re.findall(rf"^{name}\.(\d+) .* (\d+) exits", said, re.MULTILINE)
                vm.look(row[1], float(row[2] or 0), exits)
            problem = vm.stands_still()
            if problem:
                raise Failure(problem)

    def check_log(self):
        """What has been said since the last time, but for a last line that is still open."""
        end = self.machine.log.rfind("\n") + 1
        new, self.read = self.machine.log[self.read:end], max(end, self.read)
        for line in new.splitlines():
            ended = re.search(r"vm (\S+): ((?:exited|crashed|powered|not started).*)", line)
            if ended:
                expected = KINDS[ended[1]][1] if ended[1] in KINDS else None
                again = "crashed" in ended[2] and "times, each less" in ended[2]
                passed = ended[1] == "again" and "exited with status 1" in ended[2]
                require(again or passed or (expected and re.match(expected, ended[2])), self.machine.report(f"not to be said: {line}"))
                self.ends += 1
            require(not re.search(r"watchdog|leaked|panic|failed: check|VM entry failed", line), self.machine.report(f"not to be said: {line}"))

    def step(self):
        for _ in range(self.random.randrange(8)):
            order = self.random.choices(list(ORDERS), ORDERS.values())[0]
            self.say(f"{order} {self.random.choice(list(KINDS))}")
            self.orders += 1
        if self.random.randrange(4) == 0:
            self.say(self.random.choice(LOOKS))
        self.look()
        self.check_log()
        pause = time.monotonic() + self.random.choice((0, 0, 0.1, 0.5))
        while (left := pause - time.monotonic()) > 0:
            self.machine.receive(left)

    def finish(self):
        """Whoever has an end comes to it, the others are stopped."""
        self.say("log 1")
        for name, (_, end, _) in KINDS.items():
            self.say(f"resume {name}")
            if not end:
                self.say(f"stop {name}")
            else:
                self.say(f"start {name}")
        while any(vm.state != "off" for vm in self.vms.values()):
            self.machine.receive(0.5)
            self.look()
            self.check_log()
            for name, vm in self.vms.items():       # it crashes and starts again for long
                if name == "again" and vm.state == "waiting":
                    self.say("stop again")
        used = self.memory()
        require(used == self.free, self.machine.report(f"memory in use: {self.free} at the start, {used} now"))

    def show(self):
        """The monitor's view of a machine that stands still."""
        for line in ["vms", "vcpus", "queues", "timers"]:
            print(f"--- {line}\n{self.say(line)}")
        for name, vm in self.vms.items():
            if vm.state == "off":
                continue
            for number in range(KINDS[name][2].get("vcpus", 1)):
                print(f"--- regs {name}.{number}\n{self.say(f'regs {name}.{number}')}")
            print(f"--- irq {name}\n{self.say(f'irq {name}')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--orders", type=int, help="so many at most; by the emulator's speed if it is not given")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    platform = platforms.choose(["qemu-tcg-svm", "qemu-kvm", "bochs-vmx", "bochs-svm"])
    print(f"soak: {platform.name}, {arguments.seconds} s, SEED={arguments.seed}", flush=True)
    pace = PACES[platform.kind]
    orders = arguments.orders or pace.orders
    files = images(platform.vendor, pace.turns)
    begin = said = time.monotonic()
    with keel.Booted(configuration(), files, megs=256, cpus=platform.cores(2), ips=pace.ips, **platform.machine()) as machine:
        soak = Soak(machine, arguments.seed, pace.patience)
        try:
            while time.monotonic() - begin < arguments.seconds and soak.orders < orders:
                soak.step()
                if time.monotonic() - said > 30:
                    said = time.monotonic()
                    print(f"{said - begin:6.0f} s: {soak.orders} orders, {soak.ends} ends", flush=True)
            soak.finish()
        except Failure as failure:
            print(f"FAILED: {failure}", flush=True)
            (keel.BUILD / f"soak-{arguments.seed}.log").write_text(machine.log)
            try:
                soak.show()
            except Failure as silence:
                print(silence)
            sys.exit(f"soak: FAILED with SEED={arguments.seed}")
    print(f"ok     soak: {soak.orders} orders, {soak.ends} ends, SEED={arguments.seed}")


if __name__ == "__main__":
    main()
