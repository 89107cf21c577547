"""Debian's Linux as Keel's guest: to the shell and off again, by every road."""
import hashlib
import re

import keel
from keel import require
from registry import each, on_each, test

# The kernel's own tests of its ciphers are two fifths of its boot, and say nothing about Keel.
CMDLINE = "console=ttyS0,115200 quiet cryptomgr.notests"
IPS = 50_000_000
MEGS = 400
PROMPT = r"keel# "
PASTED = "".join(f"line {number}: the quick brown fox jumps over the lazy dog\n" for number in range(100))


class Shell:
    """The busybox shell behind a machine's serial port."""

    def __init__(self, machine):
        self.machine, self.count = machine, 0

    def wait(self, timeout=240):
        self.machine.expect(r"^Linux \S+ is up, ", timeout)
        self.machine.expect(PROMPT, 30)
        return self

    def run(self, command, timeout=60):
        """What the command says. Typed, the marks are no numbers yet: their echo is not taken for them."""
        self.count += 1
        number = f"{self.count}-$((6*7))"
        self.machine.send(f"echo begin-{number}; {command}; echo end-{number}\n")
        pattern = rf"^begin-{self.count}-42\r?\n([\s\S]*?)^end-{self.count}-42\r?$"
        output = self.machine.expect(pattern, timeout)[1].replace("\r", "")
        self.machine.expect(PROMPT, 30)
        return output

    def paste(self, text, path):
        """Sends a file's contents at once, as a terminal does that pastes."""
        self.machine.send(f"stty -echo; echo ready-$((6*7)); cat > {path}; stty echo; echo pasted-$((6*7))\n")
        self.machine.expect(r"^ready-42", 30)
        self.machine.send(text + "\x04")
        self.machine.expect(r"pasted-42", 60)
        self.machine.expect(PROMPT, 30)

    def last(self, command):
        """A command that does not come back."""
        self.machine.send(f"{command}\n")


def without_config(kernel, cmdline=CMDLINE, **machine):
    """Keel and two modules, nothing else."""
    return keel.Booted(None, {f"kernel {cmdline}": kernel, "ramdisk": keel.ramdisk()}, megs=MEGS, ips=IPS, **machine)


def power_off(machine, shell, name="vm"):
    shell.last("poweroff -f")
    machine.expect(rf"^\[ *\d+\.\d+ cpu\d+\] vm {name}: powered off\r?$", 60)
    machine.expect(r"all VMs are off: powering the machine off", 10)
    machine.finish(30)


def says(machine, output, text):
    require(text in output, machine.report(f"the shell did not say {text!r} but:\n{output}"))


@test("linux/vmlinux")
def boots_an_elf_kernel_to_a_shell_twice():
    kernel = keel.kernel("debian", "vmlinux")
    package = (keel.BUILD / "linux/debian-package").read_text().strip()
    with without_config(kernel) as machine:
        machine.expect(r"there is no module named keel\.conf")
        shell = Shell(machine).wait()
        says(machine, shell.run("uname -r"), package.removeprefix("linux-image-"))
        says(machine, shell.run("cat /proc/cmdline"), CMDLINE)
        says(machine, shell.run("grep -c ^processor /proc/cpuinfo"), "1\n")
        says(machine, shell.run("grep -ow hypervisor /proc/cpuinfo"), "hypervisor\n")
        sums = shell.run("for i in 1 2 3 4 5 6 7 8; do seq 1 1000 | awk '{ s += $1 } END { print s }'; done")
        require(sums.split() == ["500500"] * 8, machine.report(f"tasks lose their floating point registers: {sums}"))
        says(machine, shell.run("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), "tsc\n")
        slept = shell.run("cut -d. -f1 /proc/uptime; sleep 3; cut -d. -f1 /proc/uptime").split()
        require(3 <= int(slept[1]) - int(slept[0]) <= 4, machine.report(f"sleep 3 took from {slept[0]} to {slept[1]}"))

        shell.paste(PASTED, "/tmp/pasted")
        says(machine, shell.run("busybox md5sum /tmp/pasted"), hashlib.md5(PASTED.encode()).hexdigest())

        shell.last("reboot -f")
        machine.expect(r"vm vm: reset\r?$", 60)
        machine.expect(r"vm vm: started", 30)
        again = Shell(machine).wait()
        says(machine, again.run("cut -d. -f1 /proc/uptime | awk '$1 < 60 { print \"young\" }'"), "young")
        power_off(machine, again)


@test("linux/bzimage")
def boots_the_stock_bzimage_to_a_shell():
    conf = keel.vm("linux", memory="256M", kernel="vmlinuz", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinuz": keel.kernel("debian", "vmlinuz"), "initrd.gz": keel.ramdisk()}
    with keel.Booted(conf, files, megs=MEGS, ips=IPS) as machine:
        machine.expect(r"vm linux: started, 1 vcpu, 256 MiB", 90)
        shell = Shell(machine).wait(500)
        says(machine, shell.run("echo $((6*7))"), "42\n")
        power_off(machine, shell, "linux")


# What /proc/interrupts shows: who brings the timer's or the serial port's interrupt, and whether the local APIC's timer ticks.
BY_PIC, BY_IOAPIC = r"^ *4: +[1-9]\d* +XT-PIC", r"^ *4: +[1-9]\d* +IO-APIC"
PIT_TICKS, APIC_TICKS, NO_APIC_TICKS = r"^ *0: +\d{3,} +XT-PIC +timer", r"^LOC: +\d{3,} ", r"^LOC: +0 "

# Option of Linux, what must be found, what must not, how the VM is ended. nosmp is noapic too: Linux's documentation has it so.
OPTIONS = [
    ("nosmp", "nosmp", [BY_PIC, APIC_TICKS], "IO-APIC", "poweroff -f"),
    ("noapic", "noapic", [BY_PIC, APIC_TICKS, "Skipping IOAPIC probe due to 'noapic'"], "IO-APIC", "poweroff -f"),
    ("nox2apic", "nox2apic", [BY_IOAPIC, APIC_TICKS, r"^flags\t"], r"^flags.* x2apic", "poweroff -f"),
    ("acpi-off", "acpi=off", [BY_PIC, PIT_TICKS, NO_APIC_TICKS, "ACPI: Interpreter disabled"], "IO-APIC", "reboot -f"),
    ("nolapic", "nolapic", [BY_PIC, PIT_TICKS, NO_APIC_TICKS], "IO-APIC", "poweroff -f"),
]
ENDINGS = {"poweroff -f": r"vm vm: powered off", "reboot -f": r"vm vm: reset"}


@each("linux", OPTIONS)
def boots_with_an_option(option, found, not_found, end):
    with without_config(keel.kernel("cloud", "vmlinuz"), f"{CMDLINE} {option}") as machine:
        shell = Shell(machine).wait()
        output = shell.run("dmesg | grep -E 'ACPI:.*(apic|disabled)'; cat /proc/interrupts; grep flags /proc/cpuinfo")
        for pattern in found:
            require(re.search(pattern, output, re.MULTILINE), machine.report(f"{pattern!r} is not in:\n{output}"))
        require(not re.search(not_found, output, re.MULTILINE), machine.report(f"{not_found!r} is in:\n{output}"))
        shell.last(end)
        machine.expect(ENDINGS[end], 60)


@on_each("linux/cpuid", [("hidden",)], ("bochs-vmx", "qemu-tcg-svm"))
def shows_what_cpuid_leaves(platform):
    conf = keel.vm("linux", memory="256M", kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE, cpuid="-x2apic, -avx,-rdtscp,-smap")
    files = {"vmlinux": keel.kernel("cloud", "vmlinux"), "initrd.gz": keel.ramdisk()}
    with keel.Booted(conf, files, megs=MEGS, ips=IPS, **platform.machine()) as machine:
        shell = Shell(machine).wait(300)
        flags = re.search(r"^flags\t+: (.*)", shell.run("grep flags /proc/cpuinfo"), re.MULTILINE)[1].split()
        gone = {"x2apic", "avx", "avx2", "avx512f", "fma", "f16c", "vaes", "rdtscp", "rdpid", "smap"} & set(flags)
        require(not gone, machine.report(f"shown all the same: {gone}"))
        require({"xsave", "sse4_2", "smep", "nx"} <= set(flags), machine.report(f"not shown: {flags}"))
        power_off(machine, shell, "linux")


# Debian's cloud kernels are configured without MPPARSE.
@on_each("linux/acpi=off", [("4 vcpus",)], ("qemu-tcg-svm",))
def finds_all_processors_in_the_mp_table(platform):
    conf = keel.vm("linux", memory="256M", vcpus=4, kernel="vmlinux", ramdisk="initrd.gz", cmdline=f"{CMDLINE} acpi=off")
    files = {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}
    with keel.Booted(conf, files, megs=MEGS, cpus=platform.cores(2), **platform.machine()) as machine:
        shell = Shell(machine).wait(300)
        says(machine, shell.run("nproc"), "4\n")
        says(machine, shell.run("dmesg | grep MPTABLE"), "MPTABLE: OEM ID: KEEL")
        interrupts = shell.run("cat /proc/interrupts")
        require(re.search(r"^ *4: +[\d ]*[1-9][\d ]* IO-APIC", interrupts, re.MULTILINE), machine.report(f"the I/O APIC brings none:\n{interrupts}"))
        complaints = shell.run("dmesg | grep -iE 'mptable|mp table|io-apic' | grep -iE 'bug|err|warn|fail|not|differ' ; true")
        require(not complaints.strip(), machine.report(f"Linux complains:\n{complaints}"))
        shell.last("reboot -f")
        machine.expect(r"vm linux: reset", 60)


WORK = "for j in 1 2 3 4; do (i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; seq 1 5000 | awk '{ s += $1 } END { print s }') & done; wait"


@on_each("linux/4 vcpus", [("4 cores", 4), ("2 cores", 2)], ("qemu-tcg-svm", "bochs-vmx"))
def computes_on_four_vcpus(platform, cores):
    conf = keel.vm("linux", memory="256M", vcpus=4, kernel="vmlinux", ramdisk="initrd.gz", cmdline=CMDLINE)
    files = {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}
    with keel.Booted(conf, files, megs=MEGS, ips=20_000_000, cpus=platform.cores(cores), **platform.machine()) as machine:
        shell = Shell(machine).wait(300)
        says(machine, shell.run("nproc"), "4\n")
        sums = re.findall(r"^\d+$", shell.run(WORK, 120), re.MULTILINE)
        require(sums == ["12502500"] * 4, machine.report(f"the sums are {sums}"))
        complaints = shell.run("dmesg | grep -iE 'stall|lockup|hung|did not|failed\\(' ; true")
        require(not complaints.strip(), machine.report(f"Linux complains:\n{complaints}"))
        power_off(machine, shell, "linux")
