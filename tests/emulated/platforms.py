"""
The platforms that Keel runs on in tests and in `make run`, which of them work here, and what is not tested where.

PLATFORM (bochs, qemu-tcg, qemu-kvm, or a full name of the table) and VENDOR (vmx, svm) of the environment narrow the choice.
"""
import fnmatch
import functools
import os
import pathlib
import subprocess
import sys
import typing


STEADY = ["-icount", "shift=0,sleep=off"]


class Platform(typing.NamedTuple):
    """An emulator, and the vendor whose virtualization its processor has; the rest is for Machine."""

    name: str
    vendor: str
    kind: str
    model: str
    accelerator: str = "tcg"
    cpu_panics: str = "fatal"

    def machine(self, steady=False):
        """Arguments of Machine. Steady: time counts instructions, as it always does in Bochs, where QEMU can do that."""
        options = STEADY if steady and self.name == "qemu-tcg-svm" else []
        return {"kind": self.kind, "model": self.model, "accelerator": self.accelerator, "options": options,
                "cpu_panics": self.cpu_panics}

    def cores(self, wanted):
        """How many to give to a machine whose VMs are to have so many: they stay off QEMU's first (docs/emulators.md)."""
        return wanted + (wanted > 1 and self.kind == "qemu" and self.vendor == "svm" and self.accelerator.startswith("tcg"))


def host_vendor():
    """Which vendor's virtualization the processor of this machine shows, or None."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    flags = next((line.split() for line in info.splitlines() if line.startswith("flags")), [])
    return next((vendor for vendor in ("vmx", "svm") if vendor in flags), None)


PLATFORMS = {platform.name: platform for platform in [
    Platform("bochs-vmx", "vmx", "bochs", "corei7_skylake_x"),
    # It panics at a guest's triple fault and at an exit from virtual-8086 mode, and does what is right behind both.
    Platform("bochs-svm", "svm", "bochs", "ryzen", cpu_panics="report"),
    Platform("qemu-tcg-svm", "svm", "qemu", "max"),
    Platform("qemu-kvm", host_vendor() or "none", "qemu", "host", "kvm"),
]}

# Where a test runs that names no platform.
HOMES = [("uefi/*", "qemu-tcg-svm"), ("*", "bochs-vmx")]

# The first that works is taken where nothing is asked for: the fastest first.
PREFERRED = ["qemu-kvm", "qemu-tcg-svm", "bochs-vmx", "bochs-svm"]

# Guests that the emulator itself gets wrong: what holds natively there has to hold in Keel, check by check.
FAIL_NATIVELY = {(guest, "qemu-tcg-svm") for guest in (
    "debug", "exceptions", "instructions", "msr", "protected", "real", "task", "v86")}

# Test, platform, why it does not run there: the first row that fits counts.
SKIPPED = [
    ("guest/control", "qemu-tcg-svm", "QEMU TCG takes the values that are to be refused, natively too, and the guest is lost"),
    ("guest/around", "qemu-tcg-svm", "QEMU TCG 7.2 has the step behind PAUSE late and hangs at others, natively too"),
    ("guest/shadow", "qemu-tcg-svm", "QEMU TCG 7.2 hangs at its single steps, natively too"),
    ("guest/deliver", "bochs-svm", "Bochs 2.7 leaves EXITINTINFO as it was where the delivery of INT, INT3 or INTO leaves the guest"),
    ("guest/taskgate", "bochs-svm", "Bochs 2.7 leaves EXITINTINFO as it was where INT, INT3 or INTO meets a task gate"),
    ("life/hostile neighbours", "bochs-svm", "Bochs 2.7 gives a guest entered with IF = 0 no exit for the machine's interrupts"),
    ("core/a guest that/spins with interrupts off", "bochs-svm", "Bochs 2.7 gives a guest entered with IF = 0 no exit for the machine's interrupts"),
    ("guest/hidden", "qemu-tcg-svm", "QEMU 7.2 TCG asks the intercepts of RDTSCP and XSETBV of no guest"),
    ("attackers/*", "*", "make test-emulated TEST=long/attackers"),
    ("native/*", "*", "runs without Keel: proves the guest right, where all of them can pass"),
    ("multiboot/*", "*", "how a guest is loaded is the same everywhere"),
    ("linux/debian", "bochs-*", "linux/vmlinux and linux/bzimage in bochs-vmx are more; half a minute and longer each"),
    ("smp/*", "bochs-svm", "some seconds each: the one with the most processors stands for them"),
    ("linux/4 vcpus/*", "*", "a minute and longer each"),
    ("long/*", "*", "only where it is asked for: make test-emulated TEST=long/"),
    ("linux/*", "*", "too long for every platform; linux/debian stands for them"),
    ("many/debian*", "*", "a minute and longer each"),
    ("many/waking*", "*", "there the host's load says how late a processor runs"),
    ("uefi/*", "bochs-*", "Bochs has no UEFI"),
    ("machine/*", "*", "about VMX or the emulator's own machine"),
    ("*", "*", "nothing in it depends on the processor's vendor"),
]


@functools.cache
def unusable(name):
    """Why this platform does not work here, or None. Tried, not assumed."""
    if name != "qemu-kvm":
        return None
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return f"/dev/kvm does not open: {error.strerror}"
    if not host_vendor():
        return "this machine's processor shows neither VMX nor SVM, so a guest of KVM has neither"
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", f"host,+{host_vendor()}", "-m", "64", "-display", "none",
               "-serial", "none", "-monitor", "none"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1.5, check=False)
    except subprocess.TimeoutExpired as running:
        said = (running.output or b"").decode(errors="replace")
        return f"QEMU with KVM warns: {said.splitlines()[0]}" if "doesn't support" in said else None
    except OSError as error:
        return f"QEMU does not start: {error.strerror}"
    return f"QEMU with KVM ended at once: {(done.stdout.decode(errors='replace').splitlines() or ['silently'])[0]}"


def asked_for(name):
    """Whether PLATFORM and VENDOR allow this platform."""
    wanted, vendor = os.environ.get("PLATFORM", ""), os.environ.get("VENDOR", "")
    fits = not wanted or name == wanted or name.startswith(f"{wanted}-")
    return fits and (not vendor or PLATFORMS[name].vendor == vendor)


def choose(preferred=None):
    """The platform for one machine: the first that is asked for and works. Fails with all reasons if there is none."""
    reasons = []
    for name in preferred or PREFERRED:
        if asked_for(name):
            reason = unusable(name)
            if not reason:
                return PLATFORMS[name]
            reasons.append(f"{name}: {reason}")
    asked = " ".join(f"{key}={os.environ[key]}" for key in ("PLATFORM", "VENDOR") if os.environ.get(key))
    raise SystemExit(f"no platform for {asked}: " + ("; ".join(reasons) or "there is none such; there are " + ", ".join(PLATFORMS)))


def home(test):
    return next(platform for row, platform in HOMES if fnmatch.fnmatch(test, row))


def skipped(test, name):
    """Why a test does not run on a platform, by the table."""
    return next(reason for row, platform, reason in SKIPPED if fnmatch.fnmatch(test, row) and fnmatch.fnmatch(name, platform))


def excluded(test, name):
    """Why a test that is written for a platform is left out there, or None."""
    reason = unusable(name) or (None if asked_for(name) else "not asked for by PLATFORM and VENDOR")
    if not reason and any(row == test and fnmatch.fnmatch(name, platform) for row, platform, _ in SKIPPED):
        reason = skipped(test, name)
    return reason


if __name__ == "__main__":
    # `platforms.py NAME`: fails with the reason where that platform does not work.
    why = unusable(sys.argv[1])
    print(why or "works")
    sys.exit(why is not None)
