"""Many VMs at once: who gets how much of the cores' time."""
import re

import keel
import platforms
from keel import require
from registry import on_each, test
from test_guests import binary, judge

# How far a VM's time may be from what it is due. Bochs counts instructions. QEMU's time is that of a host that may be busy:
# there it runs its processors in one thread, so that they stand still together when the host does.
PLACES = {"bochs-vmx": (0.95, 1.05), "bochs-svm": (0.95, 1.05), "qemu-tcg-svm": (0.6, 1.6)}
# QEMU: time counts instructions, 125 million a second; of use with one core alone.
COUNTED = ["-icount", "shift=3,sleep=off"]
ENDED = r"vm (\S+): ran (\d+) ms, was due (\d+) ms, in (\d+) ms; the cores have slept (\d+) ms"


def spinning(name, kernel="spin", **keys):
    return keel.vm(name, memory="8M", kernel=kernel, format="flat", load="0x8000", entry="long", serial="none", **keys)


def spin_for(seconds):
    """The guest spin with another time."""
    default, wanted = (b"seconds " + count.to_bytes(4, "little") for count in (3, seconds))
    image = binary("spin").read_bytes()
    require(image.count(default) == 1, "guests/spin.asm has no `seconds 3`")
    return image.replace(default, wanted)


def run(platform, sections, cpus, files=None, ips=20_000_000, patience=keel.PATIENCE, **machine):
    """What Keel says of each VM at its end: name, then ran, due, lived and slept in ms; and the machine."""
    conf = "[keel]\nreport = shares\n" + "".join(sections)
    files = {"spin": binary("spin")} | (files or {})
    with keel.Booted(conf, files, ips=ips, cpus=cpus, **{"megs": 256} | platform.machine() | machine) as machine:
        machine.finish(patience)
        said = {name: tuple(map(int, figures)) for name, *figures in re.findall(ENDED, machine.log)}
        require(len(said) == len(sections), machine.report("not every VM has ended with a report"))
        for port in machine.ports[1:]:
            port.settimeout(1)
        return said, machine, ["".join(received(port)) for port in machine.ports[1:]]


def received(port):
    """What a port has said until its machine ended."""
    while data := port.recv(65536):
        yield data.decode("latin-1")


@on_each("many", [("shares by weight",)], tuple(PLACES))
def shares_follow_weights(platform):
    weights = {"a": 100, "b": 200, "c": 400, "d": 100, "e": 50, "f": 100, "g": 300, "h": 100}
    sections = [spinning(name, weight=weight, vcpus=1 + index % 2) for index, (name, weight) in enumerate(weights.items())]
    together = {"accelerator": "tcg,thread=single"} if platform.kind == "qemu" else {}
    said, machine, _ = run(platform, sections, cpus=platform.cores(2), **together)
    least, most = PLACES[platform.name]
    for name, (ran, due, _, _) in said.items():
        require(least * due <= ran <= most * due, machine.report(f"{name} ran {ran} ms, {due} ms were due"))


# Computes on all its processors, says the sum of each task, and powers off.
WORK = """#!/bin/sh
mount -t proc proc /proc
count=$(grep -c ^processor /proc/cpuinfo)
for task in $(seq $count); do
    seq 1 2000 | awk '{ s += $1 } END { print "sum " s }' &
done
wait
echo "$count processors"
poweroff -f
"""
CMDLINE = "console=ttyS0,115200 quiet cryptomgr.notests rdinit=/work"


FLAT_OUT = 15  # s: until Debian has about come to its end


def working(platform, name, **keys):
    """
    A VM of Debian that computes and powers off. In QEMU the host may keep it from its core for most of the 80 ms in which Linux wants
    to see five ticks of the 8254, and it would stop with "IO-APIC + timer doesn't work".
    """
    more = " no_timer_check" if platform.kind == "qemu" else ""
    return keel.vm(name, memory="96M", kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE + more, **keys)


@on_each("many", [("debian and small guests",)], ("bochs-vmx", "qemu-tcg-svm"))
def eight_of_two_kinds(platform):
    """Two of Debian, one that spins without a pause, and five that end and leave their time to others."""
    ramdisk = keel.initramfs.build(keel.BUILD / "linux/work.gz", {"work": WORK.encode()})
    files = {"vmlinux": keel.kernel("cloud", "vmlinux"), "initrd.gz": ramdisk, "flatout": spin_for(FLAT_OUT)}
    sections = [working(platform, "one", serial="com2", weight=200), working(platform, "two", serial="com3", weight=300, vcpus=2),
                spinning("flatout", kernel="flatout", weight=100)]
    sections += [spinning(f"small{number}", weight=weight, vcpus=1 + number % 2)
                 for number, weight in enumerate((50, 100, 150, 100, 200))]
    said, machine, ports = run(platform, sections, platform.cores(2), files, patience=400, megs=400, serials=3, ips=50_000_000)
    for text, count in zip(ports, (1, 2)):
        require(text.count("sum 2001000") == count and f"{count} processors" in text,
                machine.report(f"Debian with {count} vCPUs said:\n{text}"))
    # In QEMU each of its processors is a thread of the host here: nobody starves, more cannot be said.
    least, most = PLACES[platform.name] if platform.kind == "bochs" else (0.2, 8)
    for name, (ran, due, _, _) in said.items():
        require(least * due <= ran <= most * due, machine.report(f"{name} ran {ran} ms, {due} ms were due"))


@on_each("many", [("waking beside a heavy neighbour",)], ("bochs-vmx", "bochs-svm"))
def wakes_on_time(platform):
    """A vCPU whose timer wakes it runs within 2 ms, the guest checks, though another VM has the core and more weight."""
    conf = keel.vm("wakes", memory="8M", kernel="wakes", format="flat", load="0x8000", entry="long", weight=50)
    files = {"spin": spin_for(2), "wakes": binary("wakes")}
    with keel.Booted(conf + spinning("spins", weight=400), files, megs=64, ips=50_000_000, **platform.machine()) as machine:
        machine.expect(r"vm wakes: exited with status 1\b", keel.PATIENCE)
        judge(machine, "wakes")
        require("vm spins: exited" not in machine.log, machine.report("the other VM ended too early"))


@on_each("many", [("clocks of two beside a third",)], ("bochs-vmx", "bochs-svm", "qemu-tcg-svm"))
def clocks_agree(platform):
    """TSC, PM timer and the ticks of 8254, CMOS clock and local APIC in two VMs that have a third of a core each: none is lost."""
    clocks = [keel.vm(name, memory="8M", kernel="clocks", format="flat", load="0x8000", entry="long") for name in ("one", "two")]
    counted = {"options": COUNTED} if platform.kind == "qemu" else {}
    files = {"spin": spin_for(4), "clocks": binary("clocks")}
    with keel.Booted("".join(clocks) + spinning("spins"), files, megs=64, ips=20_000_000, **platform.machine() | counted) as machine:
        for _ in clocks:
            machine.expect(r"vm (one|two): exited with status 1\b", keel.PATIENCE)
        judge(machine, "clocks")
        require("vm spins: exited" not in machine.log, machine.report("the other VM ended too early"))


@on_each("many", [("shares by weight on one core",)], ("qemu-tcg-svm",))
def shares_are_exact_where_time_counts_instructions(platform):
    """QEMU, too, where its time is its own: with one core. With two it has one stand still while the other runs."""
    weights = {"a": 100, "b": 200, "c": 400, "d": 50}
    sections = [spinning(name, weight=weight, vcpus=1 + index % 2) for index, (name, weight) in enumerate(weights.items())]
    said, machine, _ = run(platform, sections, cpus=1, options=COUNTED)
    for name, (ran, due, _, _) in said.items():
        require(0.95 * due <= ran <= 1.05 * due, machine.report(f"{name} ran {ran} ms, {due} ms were due"))


@test("many/caps and cores")
def keeps_to_caps_and_cores():
    sections = [spinning("capped", cap=30, cpus=0), spinning("pinned", cpus=1), spinning("both", cap=150, vcpus=2, cpus="2-3")]
    said, machine, _ = run(platforms.PLATFORMS["bochs-vmx"], sections, cpus=5)
    for name, percent in ("capped", 30), ("pinned", 100), ("both", 150):
        ran, _, lived, _ = said[name]
        # The first 100 ms or so of its life are Keel's, which makes it; a cap is kept over tenths of a second.
        require(abs(ran - lived * percent / 100) <= 0.1 * lived, machine.report(f"{name} ran {ran} of {lived} ms"))
    slept = said["both"][3]
    lived = said["both"][2]
    # Of core 0 seven tenths, of cores 2 and 3 a half, and all of core 4.
    require(slept >= 2 * lived, machine.report(f"cores that had nothing to do slept only {slept} ms"))
