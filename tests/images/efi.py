"""What UEFI firmware boots: a system partition (FAT), GRUB as an EFI application, and signatures on either."""
import pathlib
import subprocess
import tempfile

from image import quiet

FIRMWARE = pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

# OVMF's variables with Debian's test keys enrolled: Secure Boot is on, and anybody can sign (passphrase: snakeoil).
SNAKEOIL_VARIABLES = pathlib.Path("/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd")
SNAKEOIL_KEY = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.key")
SNAKEOIL_CERTIFICATE = pathlib.Path("/usr/share/ovmf/PkKek-1-snakeoil.pem")

FIRST = "EFI/BOOT/BOOTX64.EFI"  # what firmware starts of a medium that nobody told it about
MODULES = ["part_msdos", "part_gpt", "fat", "multiboot2", "boot", "efi_gop", "all_video"]


def partition(output, files):
    """A FAT file system with these files, {path: bytes or the path of a file}."""
    output = pathlib.Path(output)
    sizes = [len(data) if isinstance(data, bytes) else pathlib.Path(data).stat().st_size for data in files.values()]
    sectors = (sum(sizes) + len(sizes) * 65536 + (4 << 20)) // (32 * 1024) * 64
    output.unlink(missing_ok=True)
    quiet("mformat", "-i", output, "-C", "-h", "64", "-s", "32", "-T", sectors, "-v", "KEEL", "::")
    folders = {str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents if str(parent) != "."}
    if folders:
        quiet("mmd", "-i", output, *(f"::{folder}" for folder in sorted(folders)))
    with tempfile.TemporaryDirectory() as scratch:
        for path, data in files.items():
            source = pathlib.Path(data) if not isinstance(data, bytes) else pathlib.Path(scratch) / "file"
            if isinstance(data, bytes):
                source.write_bytes(data)
            quiet("mcopy", "-i", output, source, f"::{path}")
    return output


def grub(output, config=None, modules=(), prefix="/EFI/keel"):
    """GRUB as one file. It runs `config`, or without one, and with the module `normal`, PREFIX/grub.cfg."""
    with tempfile.TemporaryDirectory() as scratch:
        own = []
        if config is not None:
            script = pathlib.Path(scratch) / "grub.cfg"
            script.write_text(config)
            own = ["-c", script]
        quiet("grub-mkimage", "-O", "x86_64-efi", "-p", prefix, *own, "-o", output, *MODULES, *modules)
    return output


def sign(program, output):
    """Signs with Debian's test key, as docs/uefi.md tells people to do with their own."""
    with tempfile.TemporaryDirectory() as scratch:
        key = pathlib.Path(scratch) / "key"
        subprocess.run(["openssl", "rsa", "-in", SNAKEOIL_KEY, "-passin", "pass:snakeoil", "-out", key],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        quiet("sbsign", "--key", key, "--cert", SNAKEOIL_CERTIFICATE, "--output", output, program)
    return output
