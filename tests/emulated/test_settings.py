"""keel.conf's settings, each by what the machine does then."""
import re

import keel
from keel import require
from registry import each, on_each, test
from test_guests import binary, judge

IPS = 10_000_000
GUEST = "long"
PASSED = "vm guest: exited with status 1"


def boot(settings="", count=1, **keys):
    conf = settings + keel.vm("guest", memory="16M", kernel=GUEST, format="flat", load="0x8000", entry="long", **keys)
    return keel.Booted(conf, {GUEST: binary(GUEST)}, megs=96, ips=IPS, cpus=count)


def all_off(word):
    return f"[keel]\nall_off = {word}\n"


@test("settings/all_off = poweroff")
def powers_the_machine_off():
    with boot(all_off("poweroff")) as machine:
        machine.expect("all VMs are off: powering the machine off", keel.PATIENCE)
        machine.finish(30)
        require("ACPI control: soft power off" in machine.emulator_log(), machine.report("not by ACPI"))


@test("settings/all_off = reboot")
def restarts_the_machine():
    with boot(all_off("reboot")) as machine:
        machine.expect("all VMs are off: restarting the machine", keel.PATIENCE)
        machine.expect("Keel, a microhypervisor", 60)
        machine.expect(PASSED, 60)


@test("settings/all_off = monitor")
def keeps_the_machine_running():
    with boot(all_off("monitor")) as machine:
        machine.expect("all VMs are off: waiting at the console", keel.PATIENCE)
        while machine.receive(2):
            pass
        require(machine.process.poll() is None, machine.report("the machine has ended"))


@test("settings/serial = none")
def keeps_a_guest_quiet():
    with boot(serial="none") as machine:
        machine.finish(keel.PATIENCE)
        require(PASSED in machine.log, machine.report("the guest did not end well"))
        require(not re.search(r"^pass", machine.log, re.MULTILINE), machine.report("the guest was heard"))


@test("settings/serial = com2")
def names_a_port_that_is_not_there():
    with boot(serial="com2") as machine:
        machine.finish(keel.PATIENCE)
        require("vm guest: not started: no UART answers at COM2" in machine.log, machine.report("nothing about COM2"))


@test("settings/console = none")
def is_silent_and_works_all_the_same():
    with boot("[keel]\nconsole = none\n") as machine:
        machine.finish(keel.PATIENCE)
        require("VMX on" in machine.log, machine.report("nothing was said before the file was read"))
        require(not re.search(r"vm guest|memory:|^pass", machine.log), machine.report("something was said after it"))
        require("ACPI control: soft power off" in machine.emulator_log(), machine.report("the machine was not powered off"))


@each("settings", [("cpus = 3", "3", 3), ("cpus = 1-2,9", "1-2,9", 1)])
def runs_on_the_cores_that_are_named(cores, expected):
    with boot(count=4, cpus=cores) as machine:
        machine.finish(keel.PATIENCE)
        require(re.search(rf" cpu{expected}\] {PASSED}", machine.log), machine.report(f"it did not run on core {expected}"))


@test("settings/cpus = 7 of 1")
def names_cores_that_are_not_there():
    with boot(cpus="7") as machine:
        machine.finish(keel.PATIENCE)
        require("vm guest: not started: none of the cores that `cpus` names is there; the machine has 0 to 0" in machine.log,
                machine.report("nothing about the cores"))


# SVM: what each machine has of what can be disabled, and the rest, which is still used.
@on_each("settings", [("disable",)], ("bochs-svm", "qemu-tcg-svm"))
def does_without_what_is_disabled(platform):
    off = ["LBR virtualization", "flush by ASID", "PAUSE filter"] if platform.kind == "bochs" else []
    names = ", ".join([*off, "decode assists", "nested paging"])
    section = keel.vm("interrupts", memory="64M", kernel="interrupts", format="flat", load="0x8000", entry="long")
    with keel.Booted(f"[keel]\ndisable = {names}\n{section}", {"interrupts": binary("interrupts")}, megs=192, ips=20_000_000,
                **platform.machine(steady=True)) as machine:
        machine.finish(90)
        judge(machine, "interrupts")
        log = re.sub(r"\r?\n\[[^]]*\]     ", " ", machine.log)
        require('no control to do without at "nested paging"' in log, machine.report("it does without nested paging"))
        require(log.count("no control to do without") == 1, machine.report("another name is refused"))
        used = re.search(r"SVM: used: (.*?)\r?$", log, re.MULTILINE)[1]
        require("nested paging" in used and not any(name in used for name in off), machine.report(f"used: {used}"))
        if off:
            require(f"SVM: not used, by `disable`: {'; '.join(off)}" in log, machine.report("it does not say what is left out"))
