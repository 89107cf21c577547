#!/usr/bin/env python3
"""
A disk image that GRUB boots, on a BIOS machine: an ISO file system that is a hard disk, a USB stick and a CD at once.

boot_image() makes the small and quick one for emulators: a GRUB of few modules whose commands are built in, and no menu.
Measured in Bochs, one CPU: BIOS and GRUB take 120 million instructions at ips=20M and 360 million at ips=100M (waits are
emulated time: a low ips is quick). From the hard disk, by the BIOS, a module costs 10.7 instructions a byte (31 MB: 330
million, 5 s); from a CD 90. GRUB's own ATA driver finds no disk there.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

GRUB = pathlib.Path("/usr/lib/grub/i386-pc")


def quiet(*command, cwd=None):
    done = subprocess.run([str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}")


def grub_commands(kernel, cmdline, modules, protocol):
    """GRUB's commands that load /boot/KERNEL and its modules, pairs of (file name, string), and start it."""
    load = {"multiboot2": "module2", "multiboot": "module"}
    lines = [f"{protocol} /boot/{kernel} {cmdline}".rstrip()]
    if protocol == "linux":
        lines += [f"initrd /boot/{name}" for name, _ in modules]
    else:
        lines += [f"{load[protocol]} /boot/{name} {string}".rstrip() for name, string in modules]
    return lines


def boot_image(output, kernel, modules=(), cmdline="", protocol="multiboot2"):
    """
    Makes `output` boot the file `kernel`. `modules` are (name, contents, string): name in the image, bytes or the path
    of a file, and GRUB's string for it, of which Keel takes the first word as the module's name.
    """
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix="image-") as scratch:
        root = pathlib.Path(scratch)
        (root / "iso/boot").mkdir(parents=True)
        place(root / "iso/boot/kernel", kernel)
        for name, contents, _ in modules:
            place(root / "iso/boot" / name, contents)
        pairs = [(name, string) for name, _, string in modules]
        lines = grub_commands("kernel", cmdline, pairs, protocol) + ["boot"]
        (root / "grub.cfg").write_text("\n".join(lines) + "\n")
        quiet("grub-mkimage", "-O", "i386-pc", "-p", "/boot", "-c", root / "grub.cfg", "-o", root / "core.img",
              "biosdisk", "iso9660", protocol, "boot")
        write_core(root, root / "core.img")
        make_hybrid(root / "iso", root / "image")
        (root / "image").replace(output)
    return output


def place(path, contents):
    if isinstance(contents, bytes):
        path.write_bytes(contents)
        return
    try:
        path.hardlink_to(pathlib.Path(contents).resolve())
    except OSError:
        shutil.copyfile(contents, path)


def write_core(root, core):
    """El Torito boots cdboot.img, which finds GRUB's core right behind itself."""
    (root / "iso/boot/core.img").write_bytes((GRUB / "cdboot.img").read_bytes() + core.read_bytes())


def make_hybrid(folder, output, partition=None):
    """Boots by BIOS from FOLDER/boot/core.img; and by UEFI if there is a system partition, a FAT image, to append."""
    uefi = [] if not partition else ["-append_partition", "2", "0xef", partition, "-eltorito-alt-boot", "-e",
                                     "--interval:appended_partition_2:all::", "-no-emul-boot"]
    quiet("xorriso", "-as", "mkisofs", "-quiet", "-volid", "KEEL", "-o", output, "-b", "boot/core.img", "-no-emul-boot",
          "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info", "--grub2-mbr", GRUB / "boot_hybrid.img",
          *uefi, "--modification-date=2024010100000000", folder)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: image.py OUTPUT KERNEL [NAME=FILE]...   (the module's string is its NAME)")
    pairs = (argument.split("=", 1) for argument in sys.argv[3:])
    boot_image(sys.argv[1], sys.argv[2], [(name, file, name) for name, file in pairs])
