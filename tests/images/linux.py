#!/usr/bin/env python3
"""Debian's kernels, as files to boot: downloaded, not installed; each also as the ELF file that its bzImage packs."""
import gzip
import lzma
import os
import pathlib
import re
import struct
import subprocess
import sys

PT_LOAD = 1

# Name of the file under build/linux -> the package that always depends on the current kernel.
FLAVOURS = {"debian": "linux-image-amd64", "cloud": "linux-image-cloud-amd64"}


def payload(image):
    """The compressed kernel inside a bzImage, by the fields of "The Real-Mode Kernel Header" of the boot protocol."""
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("not a bzImage: no HdrS at 0x202")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    if start + length > len(image):
        raise ValueError(f"payload ends at {start + length:#x}, the file at {len(image):#x}")
    return image[start : start + length]


def decompress(data):
    """The compression is told by its magic. The kernel's build appends the unpacked size in 4 bytes to most."""

    def tool(*command):
        return subprocess.run(command, input=data[:-4], stdout=subprocess.PIPE, check=True).stdout

    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x02\x21\x4c\x18":
        return tool("lz4", "-dc")
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return tool("zstd", "-dc")
    if data[:4] == b"\x7fELF":
        return data
    raise ValueError(f"unknown compression, magic {data[:6].hex()}")


def packed_elf(data):
    """
    The same ELF program without what a boot loader only carries: zeros at a segment's end (half of Debian's kernel, whose
    .bss the bzImage spells out), gaps, symbols and the relocations behind it.
    """
    program_offset, entry_size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    headers = [list(struct.unpack_from("<IIQQQQQQ", data, program_offset + i * entry_size)) for i in range(count)]
    result = bytearray(data[:64])
    struct.pack_into("<Q", result, 32, 64)
    struct.pack_into("<Q", result, 40, 0)
    struct.pack_into("<HHHHH", result, 54, 56, count, 0, 0, 0)
    body, moved, start = bytearray(), [], 4096
    for header in headers:
        kind, _, offset, _, _, size, _, _ = header
        if kind != PT_LOAD:
            continue
        contents = data[offset : offset + size].rstrip(b"\0")
        moved.append((offset, size, start + len(body)))
        header[2], header[5], header[7] = start + len(body), len(contents), 4096
        body += contents + b"\0" * (-len(contents) % 4096)
    for header in headers:
        if header[0] != PT_LOAD:
            header[2] = next((new + header[2] - old for old, size, new in moved if old <= header[2] < old + size), 0)
        result += struct.pack("<IIQQQQQQ", *header)
    return bytes(result) + b"\0" * (start - len(result)) + bytes(body)


def vmlinux(bzimage):
    """The uncompressed ELF kernel of a bzImage."""
    elf = decompress(payload(bzimage))
    if elf[:4] != b"\x7fELF":
        raise ValueError("the payload is not an ELF file")
    return packed_elf(elf)


def current_package(name):
    """The kernel that `name` depends on; a package that depends on none is meant itself. None if apt does not know it."""
    listing = subprocess.run(["apt-cache", "depends", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = re.search(r"Depends: (linux-image-[0-9]\S*)", listing.stdout)
    return found[1] if found else name if listing.stdout and not name.startswith("linux-image-") else None


def download(name, folder):
    """
    Downloads the package that `name` depends on; returns its name and file. Lists of packages that are missing or too old
    are fetched afresh, where this user may do that.
    """
    for last in (False, True):
        package = current_package(name)
        if package:
            print(f"downloading {package}", file=sys.stderr)
            done = subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                return package, next(folder.glob(f"{package}_*.deb"))
        if not last:
            as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
            subprocess.run([*as_root, "apt-get", "update", "-qq"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reason = done.stderr.strip() if package else "apt does not know the package"
    sys.exit(f"{name} could not be downloaded: {reason}. Run apt-get update as root, or give KERNEL=file")


def member(archive, path):
    """The bytes of a file of a package."""
    contents = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE)
    data = subprocess.run(["tar", "-xO", path], stdin=contents.stdout, stdout=subprocess.PIPE, check=True).stdout
    contents.wait()
    return data


def fetch_memtest(folder):
    """The path of Debian's memtest86+, a bzImage that is no Linux, in `folder`."""
    path = pathlib.Path(folder) / "memtest86+"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        archive = download("memtest86+", path.parent)[1]
        write(path, member(archive, "./boot/memtest86+x64.bin"))
        archive.unlink()
    return path


def fetch(flavour, folder):
    """Makes FLAVOUR-vmlinuz and FLAVOUR-vmlinux in `folder`; returns both paths. Downloads only what is not there."""
    folder = pathlib.Path(folder)
    packed, elf = folder / f"{flavour}-vmlinuz", folder / f"{flavour}-vmlinux"
    if not packed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package, archive = download(FLAVOURS[flavour], folder)
        image = member(archive, f"./boot/vmlinuz-{package.removeprefix('linux-image-')}")
        archive.unlink()
        write(packed, image)
        write(folder / f"{flavour}-package", (package + "\n").encode())
    if not elf.exists():
        write(elf, vmlinux(packed.read_bytes()))
    return packed, elf


def write(path, data):
    """Never leaves half a file behind, whatever interrupts it."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(data)
    os.replace(partial, path)


if __name__ == "__main__":
    if len(sys.argv) < 3 or any(name not in FLAVOURS for name in sys.argv[2:]):
        sys.exit(f"usage: linux.py FOLDER {'|'.join(FLAVOURS)}...")
    for name in sys.argv[2:]:
        fetch(name, sys.argv[1])
