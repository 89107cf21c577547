"""Keel's own bring-up: any number of cores, other CPU models, and its page tables as the machine has them."""
import re

import bench
import keel
import pagewalk
from keel import Failure
from registry import each, on_each, test
from test_guests import binary, conf


@each("machine", [(f"{cpus} cores", cpus) for cpus in (1, 2, 4, 8)])
def starts_on_every_core(cpus):
    """VMX is on everywhere, and a guest runs beside the other cores."""
    with keel.Booted(conf("long"), {"long": binary("long")}, cpus=cpus, megs=192, ips=10_000_000) as machine:
        machine.finish(keel.PATIENCE)
        for cpu in range(cpus):
            keel.require(re.search(rf"cpu {cpu}: VMX on", machine.log), machine.report(f"no VMX on cpu {cpu}"))
        keel.require(re.search(r"vm long: exited with status 1\b", machine.log), machine.report("the guest did not pass"))
        keel.require(re.search(r"pin-based controls", machine.log), machine.report("the controls are not named"))


@each("machine", [(model, model) for model in ("corei7_haswell_4770", "broadwell_ult", "tigerlake")])
def starts_on_model(model):
    """Processors with fewer features than the usual one, or more."""
    with keel.Booted(conf("mmio"), {"mmio": binary("mmio")}, model=model, megs=192, ips=20_000_000) as machine:
        machine.finish(keel.PATIENCE)
        keel.require(re.search(r"vm mmio: exited with status 1\b", machine.log), machine.report("the guest did not pass"))


@test("machine/no exit costs too much")
def exits_are_short():
    text, problems = bench.table(bench.measure())
    keel.require(not problems, text)


# In real mode: cpuid; jmp back to it. The machine is in Keel most of the time.
CPUID_FOR_EVER = bytes.fromhex("0fa2ebfc")


# In real mode, each for ever: cli; jmp. And the like with PAUSE, which waits for another.
GREEDY = [("spins with interrupts off", bytes.fromhex("faebfe")), ("pauses with interrupts off", bytes.fromhex("faf390ebfc"))]


@on_each("core/a guest that", GREEDY)
def shares_its_core(platform, code):
    """A guest that never leaves by itself leaves another one on its core its time."""
    greedy = keel.vm("greedy", memory="16M", kernel="greedy", format="flat", load="0x8000", entry="real")
    files = {"greedy": code, "long": binary("long")}
    with keel.Booted(greedy + conf("long"), files, megs=192, ips=20_000_000, **platform.machine()) as machine:
        machine.expect(r"vm greedy: started", keel.PATIENCE)
        machine.expect(r"vm long: exited with status 1\b", keel.PATIENCE)


@test("machine/no page is writable and executable")
def page_tables_hold():
    """The tables in use while a guest's exit is handled, read from outside by the emulator's debugger."""
    section = keel.vm("spin", memory="16M", kernel="spin", format="flat", load="0x8000", entry="real")
    with keel.Booted(section, {"spin": CPUID_FOR_EVER}, megs=192, ips=20_000_000, debugger=True) as machine:
        machine.expect(r"vm spin: started", keel.PATIENCE)
        debugger = pagewalk.Debugger(machine)
        while machine.receive(1):           # the guest runs once Keel says no more
            pass
        debugger.stop()
        debugger.step_until(lambda rip: rip >> 63)
        pages = list(pagewalk.walk(debugger))
    keel.require(any(page.writable for page in pages), "no page of Keel is writable: that cannot be")
    keel.require(any(page.executable for page in pages), "no page of Keel is executable: that cannot be")
    both = [page for page in pages if page.writable and page.executable]
    if both:
        raise Failure("writable and executable: " + ", ".join(f"{page.address:#x}" for page in both[:8]))
    user = [page for page in pages if page.user]
    if user:
        raise Failure("for user mode: " + ", ".join(f"{page.address:#x}" for page in user[:8]))
