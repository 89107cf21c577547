#!/usr/bin/env python3
"""
`make iso`: an image for real machines, to be burnt or written on a USB stick whole (dd if=build/keel.iso of=/dev/sdX).

It boots by BIOS and by UEFI. GRUB shows a menu, and starts Keel with Debian's Linux after five seconds. On UEFI the menu
can also start Keel without GRUB: the firmware loads keel.efi. Its file system for UEFI, of which GRUB is the first
program, has the same folder EFI/keel as the CD.
"""
import pathlib
import sys
import tempfile

import keel
from keel import image

import efi

MENU = """\
insmod all_video
if [ "$grub_platform" = pc ]; then
    if serial --unit=0 --speed=115200; then
        terminal_input console serial
        terminal_output console serial
    fi
fi
set timeout=5
menuentry "Keel (multiboot2)" {{
    multiboot2 $prefix/keel.elf
    module2 $prefix/keel.conf keel.conf
{modules}
}}
if [ "$grub_platform" = efi ]; then
    menuentry "Keel without GRUB (keel.efi)" --hotkey=d {{
        chainloader $prefix/keel.efi
    }}
fi
"""
# GRUB may see the CD's file system or the FAT partition first: both have the same folder.
FIND = """\
search --no-floppy --set=root --hint=$root --file /EFI/keel/grub.cfg
set prefix=($root)/EFI/keel
"""
PLAIN_LINUX = """\
menuentry "Linux without Keel" {
    linux $prefix/vmlinuz console=tty0 console=ttyS0,115200
    initrd $prefix/initrd.gz
}
"""
MODULES = ["normal", "configfile", "test", "echo", "linux", "search", "terminal", "multiboot2", "boot"]
BIOS_MODULES = ["biosdisk", "iso9660", "part_msdos", "serial", "all_video", "vbe", "vga"]


def build(output, conf, files, menu=""):
    """The image with this keel.conf and these files, {name: path or bytes}; `menu` is appended to GRUB's."""
    lines = [f"    module2 $prefix/{name} {name}" for name in files]
    contents = {"keel.elf": keel.KEEL, "keel.efi": keel.BUILD / "keel.efi", "keel.conf": conf.encode(), **files,
                "grub.cfg": (MENU.format(modules="\n".join(lines)) + menu).encode()}
    output = pathlib.Path(output)
    with tempfile.TemporaryDirectory(dir=keel.BUILD, prefix="iso-") as scratch:
        scratch = pathlib.Path(scratch)
        for folder in ("iso/boot", "iso/EFI/keel"):
            (scratch / folder).mkdir(parents=True)
        for name, data in contents.items():
            image.place(scratch / "iso/EFI/keel" / name, data)
        image.quiet("grub-mkimage", "-O", "i386-pc", "-p", "/EFI/keel", "-o", scratch / "core.img", *BIOS_MODULES,
                    *MODULES)
        image.write_core(scratch, scratch / "core.img")
        efi.grub(scratch / "grub.efi", FIND, [*MODULES, "iso9660", "search_fs_file", "chain"])
        partition = {f"EFI/keel/{name}": data for name, data in contents.items()}
        efi.partition(scratch / "efi.img", {efi.FIRST: scratch / "grub.efi", **partition})
        image.make_hybrid(scratch / "iso", scratch / "image", scratch / "efi.img")
        (scratch / "image").replace(output)
    return output


def main():
    conf = keel.vm("linux", memory="512M", kernel="vmlinuz", ramdisk="initrd.gz", cmdline="console=ttyS0,115200")
    output = build(sys.argv[1], conf, {"vmlinuz": keel.kernel("debian", "vmlinuz"), "initrd.gz": keel.ramdisk()},
                   PLAIN_LINUX)
    print(f"{output}: {output.stat().st_size >> 20} MiB. Onto a USB stick: dd if={output} of=/dev/sdX bs=4M conv=fsync")


if __name__ == "__main__":
    main()
