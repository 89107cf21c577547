#!/usr/bin/env python3
"""
`make iso`: an image for real machines, to be burnt or written on a USB stick whole (dd if=build/keel.iso of=/dev/sdX).

GRUB, for BIOS and UEFI, shows a menu on the screen and on COM1, and starts Keel with Debian's Linux after five seconds.
"""
import pathlib
import shutil
import sys
import tempfile

import keel

GRUB = """\
insmod all_video
if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
fi
set timeout=5
menuentry "Keel: Debian's Linux in a VM" {
    multiboot2 /boot/keel.elf
    module2 /boot/keel.conf keel.conf
    module2 /boot/vmlinuz vmlinuz
    module2 /boot/initrd.gz initrd.gz
}
menuentry "Linux without Keel" {
    linux /boot/vmlinuz console=tty0 console=ttyS0,115200
    initrd /boot/initrd.gz
}
"""


def main():
    output = pathlib.Path(sys.argv[1])
    conf = keel.vm("linux", memory="512M", kernel="vmlinuz", ramdisk="initrd.gz", cmdline="console=ttyS0,115200")
    with tempfile.TemporaryDirectory(dir=keel.BUILD) as folder:
        boot = pathlib.Path(folder) / "boot"
        (boot / "grub").mkdir(parents=True)
        shutil.copy(keel.KEEL, boot / "keel.elf")
        shutil.copy(keel.kernel("debian", "vmlinuz"), boot / "vmlinuz")
        shutil.copy(keel.ramdisk(), boot / "initrd.gz")
        (boot / "keel.conf").write_text(conf)
        (boot / "grub/grub.cfg").write_text(GRUB)
        keel.image.quiet("grub-mkrescue", "-o", output, folder)
    print(f"{output}: {output.stat().st_size >> 20} MiB. Onto a USB stick: dd if={output} of=/dev/sdX bs=4M conv=fsync")


if __name__ == "__main__":
    main()
