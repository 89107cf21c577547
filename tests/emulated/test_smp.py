"""Guests with several processors, on as many cores and on fewer."""
import keel
import platforms
from keel import Machine, image, require
from registry import on_each, test
from test_guests import binary, judge, rounds

IPS = 20_000_000


@test("native/smp")
def runs_natively_on_four_processors():
    disk = keel.IMAGES / "native-smp.img"
    image.boot_image(disk, keel.BUILD / "guests/native.elf", [("guest", binary("smp"), "guest")], "long")
    with Machine(megs=64, cpus=4, ips=IPS) as machine:
        machine.start(disk).finish(60)
        judge(machine, "smp")


def rows(*counts):
    return [(f"{vcpus} vcpus on 2 cores", vcpus) for vcpus in counts]


@on_each("smp", rows(1, 2, 4, 8, 16), ("bochs-vmx", "qemu-tcg-svm"))
@on_each("smp", rows(16), ("bochs-svm",))
def all_processors_of_a_vm_work_together(platform, vcpus):
    conf = keel.vm("smp", memory="64M", vcpus=vcpus, kernel="smp", format="flat", load="0x8000", entry="long")
    with keel.Booted(conf, {"smp": binary("smp")}, megs=192, ips=IPS, cpus=platform.cores(2), **platform.machine()) as machine:
        machine.finish(120)
        judge(machine, "smp")
        require(f"{vcpus} processors" in machine.log, machine.report("it did not find all processors"))
        require("vm smp: exited with status 1" in machine.log, machine.report("Keel did not say how it ended"))


@on_each("smp", [("no wake-up is lost",)], ("bochs-vmx", "bochs-svm", "qemu-tcg-svm"))
def no_wake_up_is_lost(platform):
    """Processors that sleep and wake each other in turn: STI holds an interrupt off until HLT, too."""
    conf = "".join(keel.vm(name, memory="8M", vcpus=vcpus, kernel="rounds", format="flat", load="0x8000", entry="long")
                   for name, vcpus in (("two", 2), ("four", 4)))
    with keel.Booted(conf, {"rounds": binary("rounds")}, megs=64, ips=IPS, cpus=platform.cores(2), **platform.machine()) as machine:
        machine.finish(120)
        judge(machine, "rounds")
        for name in "two", "four":
            require(f"vm {name}: exited with status 1" in machine.log, machine.report(f"{name} has not come to its end"))


@test("smp/x87 state is loaded beside exits", platform="qemu-tcg-svm")
def loads_beside_exits():
    """A VM that goes on to its end although another core loads x87 state all the time, which QEMU's first core does not bear."""
    platform = platforms.PLATFORMS["qemu-tcg-svm"]
    conf = "".join(keel.vm(name, memory="8M", vcpus=vcpus, kernel=kernel, format="flat", load="0x8000", entry="long")
                   for name, kernel, vcpus in (("rounds", "rounds", 3), ("loads", "loads", 1), ("too", "loads", 1)))
    files = {"rounds": rounds("svm", 2000), "loads": binary("loads", "svm")}
    with keel.Booted(conf, files, megs=64, cpus=platform.cores(2), **platform.machine()) as machine:
        machine.expect(r"VMs that do not name core 0 in `cpus` stay off it", keel.PATIENCE)
        machine.expect(r"vm rounds: exited with status 1\b", 60)
