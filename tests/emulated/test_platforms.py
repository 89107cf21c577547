"""On SVM in QEMU: what exits cost, and Debian's Linux to the shell and off again, with the time it took."""
import time

import bench
import keel
from registry import on_each, test
from test_linux import CMDLINE, MEGS, Shell, power_off, says

# `make run` promises its prompt within a minute; a machine that is busy with other tests gets more.
PROMPT_WITHIN = 120


@on_each("linux", [("debian",)], ("qemu-tcg-svm", "qemu-kvm"))
def boots_the_stock_bzimage(platform):
    conf = keel.vm("linux", memory="256M", kernel="vmlinuz", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinuz": keel.kernel("debian", "vmlinuz"), "initrd.gz": keel.ramdisk()}
    begin = time.monotonic()
    with keel.Booted(conf, files, megs=MEGS, **platform.machine()) as machine:
        shell = Shell(machine).wait(PROMPT_WITHIN)
        print(f"       linux/debian on {platform.name}: {time.monotonic() - begin:.1f} s to the prompt", flush=True)
        says(machine, shell.run("grep -ow hypervisor /proc/cpuinfo"), "hypervisor\n")
        slept = shell.run("cut -d. -f1 /proc/uptime; sleep 2; cut -d. -f1 /proc/uptime").split()
        keel.require(int(slept[1]) - int(slept[0]) >= 2, machine.report(f"sleep 2 took from {slept[0]} to {slept[1]}"))
        power_off(machine, shell, "linux")


@test("machine/no exit costs too much on SVM", "qemu-tcg-svm", "machine/no exit costs too much")
def exits_are_short():
    text, problems = bench.table(bench.measure("svm"), "svm")
    keel.require(not problems, text)
