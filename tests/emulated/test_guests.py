"""The small guests of guests/: each natively, which proves the guest right, and as Keel's guest."""
import re

import keel
import listing
import platforms
from keel import Failure, Machine, image
from registry import each, on_each

MODES = {"16": "real", "32": "protected", "64": "long"}

# Guests that do not end by `pass`, and the line that Keel has to say of them. Natively they end the machine too.
ENDINGS = {
    "triple": r"vm triple: crashed: triple fault at rip 0x",
    "poweroff": r"vm poweroff: powered off",
}


# Bochs's BIOS cannot start again on a processor with VMX: it writes the locked IA32_FEATURE_CONTROL.
NATIVE_MODELS = {"reset": "athlon64_clawhammer"}


def mode(guest):
    """The state that a guest is entered in: that of its `bits`."""
    source = (keel.ROOT / f"guests/{guest}.asm").read_text()
    return MODES[re.search(r"^bits (\d+)$", source, re.MULTILINE)[1]]


# Parts of other tests (test_life.py, the benchmark), and what runs a guest natively.
NOT_ALONE = {"adds", "again", "bench", "clocks", "echo", "fills", "floods", "kernel", "loads", "native", "resets", "rounds", "scans", "smp", "spin", "wakes", "watched"}


def guests():
    sources = sorted(path.stem for path in (keel.ROOT / "guests").glob("*.asm"))
    return [name for name in sources if name not in NOT_ALONE]


def binary(guest, vendor="vmx"):
    """The guest's image; one with a hypercall has another for SVM."""
    own = keel.BUILD / f"guests/{guest}-{vendor}.bin"
    return own if own.exists() else keel.BUILD / f"guests/{guest}.bin"


def rounds(vendor, count):
    """The image of `rounds` with so many turns."""
    image, turns = binary("rounds", vendor).read_bytes(), [b"turns " + number.to_bytes(4, "little") for number in (1000, count)]
    keel.require(image.count(turns[0]) == 1, "guests/rounds.asm has no `turns 1000`")
    return image.replace(*turns)


# What a guest needs that no PC has: it does not run natively.
NEEDS = {name: {"testdev": "yes"} for name in ("deliver", "operands", "testdev", "vectors")} | {"bios": {}} | {
    "hidden": {"cpuid": "-x2apic, -tsc_deadline_timer, -avx, -tsc_adjust, -smap, -nx, -rdtscp"}}


def conf(guest, **more):
    keys = NEEDS.get(guest, {}) | more
    return keel.vm(guest, memory="64M", kernel=guest, format="flat", load="0x8000", entry=mode(guest), **keys)


def judge(machine, guest):
    """A guest has passed if it said so; one that failed is shown the line of its source."""
    failed = re.search(r"failed: check (\d+)", machine.log)
    if failed:
        source = listing.source_of_check(binary(guest).with_suffix(".lst"), int(failed[1]))
        raise Failure(machine.report(f"guests/{guest}.asm, {source}"))
    if guest not in ENDINGS and not re.search(r"^pass\r?$", machine.log, re.MULTILINE):
        raise Failure(machine.report("ended, but did not pass"))


@each("native", [(name, name) for name in guests() if name not in NEEDS])
def runs_natively(guest):
    disk = keel.IMAGES / f"native-{guest}.img"
    image.boot_image(disk, keel.BUILD / "guests/native.elf", [("guest", binary(guest), "guest")], mode(guest))
    with Machine(megs=64, ips=20_000_000, model=NATIVE_MODELS.get(guest)) as machine:
        machine.start(disk).finish(60)
        judge(machine, guest)


@on_each("guest", [(name, name) for name in guests()])
def runs_in_keel(platform, guest):
    if (guest, platform.name) in platforms.FAIL_NATIVELY:
        compare(platform, guest)
        return
    with started(platform, guest, binary(guest, platform.vendor)) as machine:
        machine.finish(90)
        judge(machine, guest)
        says_ending(machine, guest)


def started(platform, guest, image_of_guest):
    files = {guest: image_of_guest}
    return keel.Booted(conf(guest), files, megs=192, ips=20_000_000, **platform.machine(steady=True))


def says_ending(machine, guest):
    ending = ENDINGS.get(guest, rf"vm {guest}: exited with status 1\b")
    keel.require(re.search(ending, machine.log), machine.report(f"Keel did not say: {ending}"))


def failed_checks(machine):
    """Of a guest that goes on behind a check that fails: it has to come to its end."""
    machine.finish(90)
    keel.require(re.search(r"^pass\r?$", machine.log, re.MULTILINE), machine.report("did not come to the guest's end"))
    return {int(number) for number in re.findall(r"failed: check (\d+)", machine.log)}


def compare(platform, guest):
    """Where QEMU fails a guest without Keel too: each check that holds natively has to hold in Keel."""
    goes_on = keel.BUILD / f"guests/{guest}-on.bin"
    natively = platform.machine(steady=True)
    kernel = ["-kernel", keel.BUILD / "guests/native.elf", "-initrd", goes_on, "-append", mode(guest)]
    with Machine(megs=64, **natively | {"options": [*natively["options"], *kernel]}) as machine:
        allowed = failed_checks(machine.start())
    with started(platform, guest, goes_on) as machine:
        failed = failed_checks(machine)
        says_ending(machine, guest)
        lines = [listing.source_of_check(goes_on.with_suffix(".lst"), number) for number in sorted(failed - allowed)]
        keel.require(not lines, machine.report("\n".join([f"guests/{guest}.asm: these hold natively:", *lines])))


@each("multiboot", [(name, name) for name in ("real", "protected", "long")])
def starts_by_multiboot(guest):
    """guests/native.asm is a multiboot kernel itself: it finds its command line and module, and starts the flat guest."""
    section = keel.vm(guest, memory="64M", kernel="native", ramdisk=guest, cmdline=mode(guest))
    files = {"native": keel.BUILD / "guests/native.elf", guest: binary(guest)}
    with keel.Booted(section, files, megs=192, ips=20_000_000) as machine:
        machine.finish(90)
        judge(machine, guest)
        keel.require(f"vm {guest}: exited with status 1" in machine.log, machine.report("Keel did not say how it ended"))


@on_each("multiboot/a test kernel", [(f"{vcpus} vcpus", vcpus) for vcpus in (1, 4)], ("bochs-vmx", "qemu-tcg-svm"))
def runs_a_kernel_that_knows_nothing_of_keel(platform, vcpus):
    section = keel.vm("kernel", memory="32M", vcpus=vcpus, kernel="kernel", cmdline=f"{vcpus} processors", testdev="yes",
                      module="one a 1") + "module = two\n"
    files = {"kernel": keel.BUILD / "guests/kernel.elf", "one": b"one.", "two": b"two!"}
    with keel.Booted(section, files, megs=192, ips=20_000_000, cpus=2, **platform.machine()) as machine:
        machine.finish(90)
        keel.require("kernel: all passed" in machine.log, machine.report("a check failed"))
        keel.require(re.search(r"vm kernel: exited with status 1\b", machine.log), machine.report("no end by port 0xF4"))


@on_each("multiboot/not Linux", [("memtest86+",)], ("bochs-vmx", "qemu-tcg-svm"))
def tests_its_memory(platform):
    """A bzImage by the boot protocol, and a kernel with nothing of Linux: some of its tests, without an error."""
    section = keel.vm("memtest", memory="8M", kernel="memtest", cmdline="console=ttyS0,115200")
    with keel.Booted(section, {"memtest": keel.memtest()}, megs=192, ips=20_000_000, **platform.machine()) as machine:
        machine.expect(r"#[4-9]\s*\[", 120)
        keel.require(not re.search(r"Errors: *[1-9]", machine.log), machine.report("it found errors"))
