"""Many VMs at once: who gets how much of the cores' time."""
import re

import keel
from keel import require
from registry import on_each
from test_guests import binary

PLACES = ("bochs-vmx", "qemu-tcg-svm")
ENDED = r"vm (\S+): ran (\d+) ms, was due (\d+) ms, in (\d+) ms; the cores have slept (\d+) ms"


def spinning(name, guest="spin", **keys):
    return keel.vm(name, memory="8M", kernel=guest, format="flat", load="0x8000", entry="long", serial="none", **keys)


def run(platform, sections, cpus, guests=("spin",), settings=""):
    """What Keel says of each VM at its end: name, then ran, due, lived and slept in ms."""
    conf = f"[keel]\nreport = shares\n{settings}" + "".join(sections)
    files = {guest: binary(guest, platform.vendor) for guest in guests}
    with keel.Booted(conf, files, megs=256, ips=20_000_000, cpus=cpus, **platform.machine()) as machine:
        machine.finish(keel.PATIENCE)
        said = {name: tuple(map(int, figures)) for name, *figures in re.findall(ENDED, machine.log)}
        require(len(said) == len(sections), machine.report("not every VM has ended with a report"))
        return said, machine


def assert_due(said, names, machine):
    for name in names:
        ran, due, _, _ = said[name]
        require(abs(ran - due) <= 0.05 * due, machine.report(f"{name} ran {ran} ms, {due} ms were due"))


@on_each("many", [("shares by weight",)], PLACES)
def shares_follow_weights(platform):
    weights = {"a": 100, "b": 200, "c": 400, "d": 100, "e": 50, "f": 100, "g": 300, "h": 100}
    sections = [spinning(name, weight=weight, vcpus=1 + index % 2) for index, (name, weight) in enumerate(weights.items())]
    said, machine = run(platform, sections, cpus=2)
    print(said)
    assert_due(said, weights, machine)
