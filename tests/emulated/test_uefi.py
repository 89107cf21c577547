"""Keel started by UEFI firmware (OVMF): by GRUB, by the firmware itself, and what is said where files are wrong."""
import pathlib
import re
import shutil
import tempfile

import iso
import keel
from keel import Machine, require
from registry import each, test
from test_guests import binary, conf, judge

import efi

GUEST = "long"
SIX_GIB = 6144


class Firmware(Machine):
    """A PC with OVMF, started from this disk image, or from this CD; its variables are its own."""

    def __init__(self, disk, chipset="pc", cd=False, variables=efi.VARIABLES, **machine):
        super().__init__(kind="qemu", **machine)
        own = self.folder / "variables.fd"
        shutil.copy(variables, own)
        self.options += ["-machine", chipset, "-nic", "none", "-drive",
                         f"if=pflash,format=raw,readonly=on,file={efi.FIRMWARE}", "-drive",
                         f"if=pflash,format=raw,file={own}"]
        if cd:
            self.options += ["-cdrom", str(disk)]
        self.start(None if cd else disk)


class Scratch:
    """Images that a test makes, removed at its end."""

    def __enter__(self):
        keel.IMAGES.mkdir(parents=True, exist_ok=True)
        self.held = tempfile.TemporaryDirectory(dir=keel.IMAGES, prefix="uefi-")
        return pathlib.Path(self.held.name)

    def __exit__(self, *_):
        self.held.cleanup()


def small_iso(folder):
    return iso.build(folder / "keel.iso", conf(GUEST), {GUEST: binary(GUEST)})


def direct(folder, files, program=keel.BUILD / "keel.efi"):
    """A system partition with keel.efi as the firmware's first program, and these files."""
    return efi.partition(folder / "direct.img", {efi.FIRST: program, **files})


def whole():
    return {"EFI/keel/keel.conf": conf(GUEST).encode(), f"EFI/keel/{GUEST}": binary(GUEST)}


def passes(machine, loader, cpus):
    """Keel starts on all cores, nothing in its page tables is writable and executable, and the guest passes."""
    machine.finish(keel.PATIENCE)
    judge(machine, GUEST)
    for line in (rf"booted by {loader}", rf"smp: {cpus} core", "none writable and executable",
                 rf"vm {GUEST}: exited with status 1\b"):
        require(re.search(line, machine.log), machine.report(f"did not say: {line}"))


@each("uefi/grub", [("i440fx", "pc", 1, 512, False), ("q35, 4 cores, 6 GiB", "q35", 4, SIX_GIB, False),
                    ("cd", "q35", 1, 512, True)])
def boots_by_grub(chipset, cpus, megs, cd):
    """The image of `make iso`, with nobody at the keyboard."""
    with Scratch() as folder, Firmware(small_iso(folder), chipset, cd, cpus=cpus, megs=megs) as machine:
        passes(machine, "GRUB", cpus)


@each("uefi/direct from the iso's menu", [("stick", "q35", SIX_GIB, False), ("cd", "pc", 512, True)])
def boots_from_the_menu(chipset, megs, cd):
    with Scratch() as folder, Firmware(small_iso(folder), chipset, cd, megs=megs) as machine:
        machine.expect("executed automatically", keel.PATIENCE)
        machine.send("d")
        passes(machine, r"keel\.efi", 1)


@each("uefi/direct", [("i440fx, 4 cores, 6 GiB", "pc", 4, SIX_GIB), ("q35, 4 cores", "q35", 4, 512)])
def boots_direct(chipset, cpus, megs):
    with Scratch() as folder, Firmware(direct(folder, whole()), chipset, cpus=cpus, megs=megs) as machine:
        passes(machine, r"keel\.efi", cpus)


@test("uefi/direct/a kernel with modules")
def modules_are_read():
    """guests/kernel.asm wants both of its modules; the names of its functions are a file too."""
    section = keel.vm("kernel", memory="32M", kernel="kernel", cmdline="1 processors", testdev="yes", symbols="names",
                      module="one a 1") + "module = two\n"
    files = {"keel.conf": section.encode(), "kernel": keel.BUILD / "guests/kernel.elf", "one": b"one.", "two": b"two!", "names": b"0 T zero\n"}
    with Scratch() as folder, Firmware(direct(folder, files), "q35", megs=512) as machine:
        machine.finish(keel.PATIENCE)
        require("kernel: all passed" in machine.log, machine.report("a check failed"))


@test("uefi/debian to the shell")
def boots_debian():
    """keel.conf in the root folder, and a file in a folder of its own."""
    section = keel.vm("linux", memory="256M", kernel="linux/vmlinux", ramdisk="initrd.gz",
                      cmdline="console=ttyS0,115200 quiet cryptomgr.notests")
    files = {"keel.conf": section.encode(), "linux/vmlinux": keel.kernel("cloud", "vmlinux"), "initrd.gz": keel.ramdisk()}
    with Scratch() as folder, Firmware(direct(folder, files), "q35", megs=512) as machine:
        machine.expect(r"keel# ", keel.PATIENCE)
        machine.send("poweroff\n")
        machine.expect(r"vm linux: powered off", keel.PATIENCE)


@each("uefi/power off without ACPI", [("by grub", True), ("direct", False)])
def firmware_powers_off(by_grub):
    """No table says how; ResetSystem knows, called in pages of which none is writable and executable."""
    with Scratch() as folder:
        disk = small_iso(folder) if by_grub else direct(folder, whole())
        with Firmware(disk, "q35,acpi=off", megs=512) as machine:
            passes(machine, "GRUB" if by_grub else r"keel\.efi", 1)
            require("switch the machine off by hand" not in machine.log, machine.report("EFI did not do it"))


def without(name):
    return {path: data for path, data in whole().items() if not path.endswith(name)}


WRONG = [
    ("no keel.conf", without("keel.conf"), r"there is no \\EFI\\keel\\keel\.conf and no \\keel\.conf"),
    ("no kernel", without(GUEST), rf"cannot use \\EFI\\keel\\{GUEST}: there is no such file .*keel\.conf:3 names it as kernel "
     rf"of \[vm {GUEST}\]"),
    ("an empty kernel", whole() | {f"EFI/keel/{GUEST}": b""}, rf"cannot use \\EFI\\keel\\{GUEST}: it is empty"),
    ("a wrong keel.conf", whole() | {"EFI/keel/keel.conf": b"[vm a]\nmemory = lots\n"},
     r"keel\.conf:2: \[vm a\] memory: .*\n(.*\n)*.*nothing is started: correct \\EFI\\keel\\keel\.conf"),
]


@each("uefi/wrong", WRONG)
def says_what_is_wrong(files, words):
    """On the firmware's console; then the firmware goes on with its next entry."""
    with Scratch() as folder, Firmware(direct(folder, files)) as machine:
        machine.expect(words, keel.PATIENCE)
        machine.expect("BdsDxe: failed to start|BdsDxe: loading|UEFI Interactive Shell", keel.PATIENCE)
        require("microhypervisor" not in machine.log, machine.report("Keel was started"))


def secure(folder, program):
    return Firmware(direct(folder, whole(), program), "q35", variables=efi.SNAKEOIL_VARIABLES, megs=512)


@test("uefi/secure boot accepts a signed keel.efi")
def signed_is_accepted():
    with Scratch() as folder, secure(folder, efi.sign(keel.BUILD / "keel.efi", folder / "signed.efi")) as machine:
        passes(machine, r"keel\.efi", 1)


@test("uefi/secure boot refuses an unsigned keel.efi")
def unsigned_is_refused():
    with Scratch() as folder, secure(folder, keel.BUILD / "keel.efi") as machine:
        machine.expect("Access Denied|Security Violation", keel.PATIENCE)
        require("microhypervisor" not in machine.log, machine.report("Keel was started"))
