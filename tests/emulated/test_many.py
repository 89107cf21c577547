"""Many VMs at once: who gets how much of the cores' time."""
import re

import keel
import platforms
from keel import require
from registry import on_each, test
from test_guests import binary

# How far a VM's time may be from what it is due. Bochs counts instructions. QEMU's processors are threads of a busy host,
# which stand still when they must (and with -icount one runs for two seconds before the other's turn): there only that
# nobody starves is looked at.
PLACES = {"bochs-vmx": (0.95, 1.05), "bochs-svm": (0.95, 1.05), "qemu-tcg-svm": (0.25, 8)}
ENDED = r"vm (\S+): ran (\d+) ms, was due (\d+) ms, in (\d+) ms; the cores have slept (\d+) ms"


def spinning(name, **keys):
    return keel.vm(name, memory="8M", kernel="spin", format="flat", load="0x8000", entry="long", serial="none", **keys)


def run(platform, sections, cpus):
    """What Keel says of each VM at its end: name, then ran, due, lived and slept in ms."""
    conf = "[keel]\nreport = shares\n" + "".join(sections)
    with keel.Booted(conf, {"spin": binary("spin")}, megs=256, ips=20_000_000, cpus=cpus, **platform.machine()) as machine:
        machine.finish(keel.PATIENCE)
        said = {name: tuple(map(int, figures)) for name, *figures in re.findall(ENDED, machine.log)}
        require(len(said) == len(sections), machine.report("not every VM has ended with a report"))
        return said, machine


@on_each("many", [("shares by weight",)], tuple(PLACES))
def shares_follow_weights(platform):
    weights = {"a": 100, "b": 200, "c": 400, "d": 100, "e": 50, "f": 100, "g": 300, "h": 100}
    sections = [spinning(name, weight=weight, vcpus=1 + index % 2) for index, (name, weight) in enumerate(weights.items())]
    said, machine = run(platform, sections, cpus=2)
    least, most = PLACES[platform.name]
    for name, (ran, due, _, _) in said.items():
        require(least * due <= ran <= most * due, machine.report(f"{name} ran {ran} ms, {due} ms were due"))


@test("many/caps and cores")
def keeps_to_caps_and_cores():
    sections = [spinning("capped", cap=30, cpus=0), spinning("pinned", cpus=1), spinning("both", cap=150, vcpus=2, cpus="2-3")]
    said, machine = run(platforms.PLATFORMS["bochs-vmx"], sections, cpus=5)
    for name, percent in ("capped", 30), ("pinned", 100), ("both", 150):
        ran, _, lived, _ = said[name]
        # The first 100 ms or so of its life are Keel's, which makes it; a cap is kept over tenths of a second.
        require(abs(ran - lived * percent / 100) <= 0.1 * lived, machine.report(f"{name} ran {ran} of {lived} ms"))
    slept = said["both"][3]
    lived = said["both"][2]
    # Of core 0 seven tenths, of cores 2 and 3 a half, and all of core 4.
    require(slept >= 2 * lived, machine.report(f"cores that had nothing to do slept only {slept} ms"))
