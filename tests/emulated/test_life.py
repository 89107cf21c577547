"""The life of VMs beside each other: their ends, their restarts, and what one leaves to the next."""
import re

import keel
from keel import require
from registry import on_each
from test_guests import binary, judge, mode

IPS = 20_000_000


def section(guest, name=None, **keys):
    """A [vm] section that starts this small guest."""
    return keel.vm(name or guest, **{"memory": "1M"} | keys, kernel=guest, format="flat", load="0x8000", entry=mode(guest))


def boot(platform, conf, guests, **machine):
    files = {guest: binary(guest, platform.vendor) for guest in guests}
    return keel.Booted(conf, files, ips=IPS, **machine, **platform.machine(steady=True))


def leaked_nothing(machine):
    require("all VMs are off" in machine.log, machine.report("not all VMs are off"))
    require("leaked" not in machine.log, machine.report("memory was leaked"))


@on_each("life", [("a thousand restarts",)])
def leaks_nothing_in_a_thousand_restarts(platform):
    # Its vCPUs are on two cores: the last to leave restarts it, whichever that is.
    with boot(platform, section("again", on_crash="restart", vcpus=2), ["again"], megs=64, cpus=2) as machine:
        machine.finish(keel.PATIENCE)
        judge(machine, "again")
        require(machine.log.count("vm again: crashed: triple fault") == 4, machine.report("not four crashes"))
        require(len(machine.log.splitlines()) < 500, machine.report("the console was flooded"))
        leaked_nothing(machine)


@on_each("life", [("what a VM leaves",)])
def finds_nothing_of_another_vm(platform):
    # The machine has less for guests than both need, so the second has frames of the first.
    conf = section("fills", memory="40M") + section("scans", memory="48M", after="fills")
    with boot(platform, conf, ["fills", "scans"], megs=80) as machine:
        machine.expect(r"vm fills: exited with status 1\b", keel.PATIENCE)
        machine.expect("nothing found", keel.PATIENCE)
        machine.finish(keel.PATIENCE)
        free = re.search(r"memory: (\d+) MiB for guests", machine.log)
        require(int(free[1]) < 40 + 48, machine.report("both VMs fit: their memory need not be the same"))
        judge(machine, "scans")
        leaked_nothing(machine)


@on_each("life", [("lines of a guest are bounded",)], ("qemu-tcg-svm",))
def bounds_the_lines_of_a_guest(platform):
    # One VM causes lines all the time, the other ends soon; what Keel says of it is seen, and the sum of what is not said.
    conf = keel.vm("naps", memory="1M", kernel="attackers/naps", format="flat", load="0x8000", entry="real", serial="none") + section("adds")
    with boot(platform, conf, ["attackers/naps", "adds"], megs=64) as machine:
        machine.expect(r"vm adds: exited with status 1\b", keel.PATIENCE)
        last = machine.expect(r"\[ *(\d+)\.\d+ cpu0\] vm naps: (\d+) more lines and reports in 1\d s were left out", 3 * keel.PATIENCE)  # by counted instructions: slow beside others
        said, seconds = machine.log.count("] vm naps: "), int(last[1])
        require(int(last[2]) > 100, machine.report("it did not cause many"))
        require(said <= 32 + seconds / 2 + 3, machine.report(f"{said} lines in {seconds} s"))


SLICE = 5  # ms: nobody is further from its due than that, where it counts for more than a twentieth


@on_each("life", [("hostile neighbours",)])
def computes_beside_hostile_neighbours(platform):
    # The first VM has the focus, and says nothing: what the others say comes as whole lines.
    conf = section("resets") + section("adds") + section("floods", vcpus=2) + section("triple", on_crash="restart")
    with boot(platform, "[keel]\nreport = shares\n" + conf, ["resets", "adds", "floods", "triple"], megs=80) as machine:
        machine.expect(r"^adds\| pass\r?$", keel.PATIENCE)
        machine.expect(r"vm adds: exited with status 1\b", keel.PATIENCE)
        for line in (r"vm resets: reset", r"^floods\| 0123456789", r"vm triple: crashed: triple fault"):
            require(re.search(line, machine.log, re.MULTILINE), machine.report(f"nothing like: {line}"))
        ran, due = map(int, machine.expect(r"vm adds: ran (\d+) ms, was due (\d+) ms", 30).groups())
        require(abs(ran - due) <= max(0.05 * due, SLICE), machine.report(f"it ran {ran} ms, {due} ms were due"))
