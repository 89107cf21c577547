"""
A bzImage that unpacks nothing, for native boots: Debian's XZ costs an emulator several billion instructions.

The boot loader sees the header of the real bzImage and fills in the zero page as ever; behind the header is the kernel as
it lies in memory, and a few instructions that move it there.
"""
import pathlib
import struct
import subprocess
import tempfile

STUB = pathlib.Path(__file__).with_name("unpacked.asm")
STUB_ADDRESS = 0x8000000  # HERE of unpacked.asm
PARAMETERS = 4096 - 24
PT_LOAD = 1

# Offsets in "The Real-Mode Kernel Header".
SETUP_SECTS, SYSSIZE, CODE32_START, PREF_ADDRESS, INIT_SIZE = 0x1F1, 0x1F4, 0x214, 0x258, 0x260
LOADED_HIGH = 0x100000  # what code32_start is relative to


def flat(elf):
    """The loadable segments of a 64-bit ELF file by physical address: (lowest address, bytes, entry)."""
    entry, program_offset = struct.unpack_from("<QQ", elf, 24)
    entry_size, count = struct.unpack_from("<HH", elf, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", elf, program_offset + i * entry_size) for i in range(count)]
    loads = [(address, elf[offset : offset + size]) for kind, _, offset, _, address, size, _, _ in headers
             if kind == PT_LOAD]
    first = min(address for address, _ in loads)
    memory = bytearray(max(address + len(data) for address, data in loads) - first)
    for address, data in loads:
        memory[address - first : address - first + len(data)] = data
    return first, bytes(memory) + b"\0" * (-len(memory) % 8), entry


def assemble():
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "stub"
        subprocess.run(["nasm", "-f", "bin", "-Werror", "-o", output, STUB], check=True)
        return bytearray(output.read_bytes())


def build(bzimage, elf):
    """The image, of a bzImage and the kernel in it as an ELF file."""
    place, memory, entry = flat(elf)
    stub = assemble()
    struct.pack_into("<QQQ", stub, PARAMETERS, place, len(memory), entry)
    protected = bytes(stub) + memory
    protected += b"\0" * (-len(protected) % 16)
    header = bytearray(bzimage[: ((bzimage[SETUP_SECTS] or 4) + 1) * 512])
    struct.pack_into("<I", header, SYSSIZE, len(protected) // 16)
    struct.pack_into("<I", header, CODE32_START, LOADED_HIGH)
    struct.pack_into("<Q", header, PREF_ADDRESS, STUB_ADDRESS)
    struct.pack_into("<I", header, INIT_SIZE, len(protected))
    return bytes(header) + protected
