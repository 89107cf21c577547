"""
What Keel says when it is given the wrong machine, the wrong configuration or the wrong files: what it found, what it needs
and what to do, in one line. A VM beside those that cannot be started runs to its end.
"""
import re
import struct

import keel
from registry import each, test
from test_guests import binary

IPS = 10_000_000
GOOD = "long"


def good(name):
    return keel.vm(name, memory="16M", kernel=GOOD, format="flat", load="0x8000", entry="long")


def boot(conf, files, **machine):
    machine = {"megs": 128, "ips": IPS, **machine}
    return keel.Booted(conf, {GOOD: binary(GOOD), **files}, **machine)


def said(machine, text):
    """That a line of Keel's is, or begins with, these words."""
    line = rf"^\[ *\d+\.\d+ cpu\d+\] {re.escape(text)}"
    keel.require(re.search(line, machine.log, re.MULTILINE), machine.report(f"Keel did not say: {text}"))


def only_good_ones_ran(machine, *names):
    """Both VMs came to their end, and no other was started."""
    machine.finish(keel.PATIENCE)
    for name in names:
        said(machine, f"vm {name}: exited with status 1")
    started = re.findall(r"vm (\S+): started", machine.log)
    keel.require(sorted(started) == sorted(names), machine.report(f"started: {started}"))


CONFIGURATION = f"""\
colour = green
[keel]
all_off = maybe
[network]
bridge = br0
{good("first")}\
[vm unknown-key]
kernel = {GOOD}
disk = sda
[vm bad-value]
kernel = {GOOD}
memory = lots
[vm bad-core]
kernel = {GOOD}
cpus = 1-0
[vm no-kernel]
memory = 16M
[vm missing-module]
kernel = vmlinuz
[vm missing-ramdisk]
kernel = {GOOD}
ramdisk = initrd.gz
[vm first]
kernel = {GOOD}
[vm open-quote]
kernel = {GOOD}
cmdline = "quiet
[vm bad name]
kernel = {GOOD}
[vm unclosed
{good("last")}"""

COMPLAINTS = """\
keel.conf:1: "colour" comes before the first section; needed is [keel] or [vm NAME]; the line is ignored
keel.conf:3: [keel] all_off: "maybe" is not poweroff, reboot or monitor; poweroff is used
keel.conf:4: [network] is not a section; needed is [keel] or [vm NAME]; its lines are ignored
keel.conf:14: [vm unknown-key] "disk" is not a key of this section; those are: memory vcpus
keel.conf:17: [vm bad-value] memory: "lots" is not a size from 1M to 1024G, with K, M or G, in whole pages of 4K; the VM is not
keel.conf:20: [vm bad-core] cpus: "1-0" is not a list of cores and ranges of them from 0 to 255 (0-1,3), or all; the VM is not
keel.conf:21: [vm no-kernel] kernel: it is missing; needed is the name of a module, which is one word; the VM is not started
keel.conf:24: [vm missing-module] kernel: there is no module named "vmlinuz"; the boot loader gave: keel.conf, long; the VM is
keel.conf:27: [vm missing-ramdisk] ramdisk: there is no module named "initrd.gz"; the boot loader gave: keel.conf, long; the VM
keel.conf:28: [vm first] is already there on line 6; this one is not started
keel.conf:32: [vm open-quote] cmdline: the quote " is not closed; the VM is not started
keel.conf:33: "bad name" is not the name of a VM: 1 to
keel.conf:35: "[vm unclosed" is not a section: the ] is missing; its lines are ignored"""


@test("input/configuration")
def names_each_bad_line_and_starts_the_rest():
    with boot(CONFIGURATION, {}) as machine:
        only_good_ones_ran(machine, "first", "last")
        for complaint in COMPLAINTS.splitlines():
            said(machine, complaint)


def patched(data, offset, layout, *values):
    data = bytearray(data)
    struct.pack_into(layout, data, offset, *values)
    return bytes(data)


def kernels():
    """Name of a VM, the file it is given, its memory, how Keel's line about it goes on."""
    bzimage = keel.kernel("debian", "vmlinuz").read_bytes()[: 64 << 10]
    elf = keel.kernel("debian", "vmlinux").read_bytes()[: 64 << 10]
    header = struct.unpack_from("<Q", elf, 32)[0]  # the first program header
    truncated_elf = patched(elf, header + 32, "<Q", 1 << 20)
    return [
        ("truncated", bzimage, "16M", f"a truncated Linux bzImage: found {64 << 10} bytes, needed "),
        ("half-header", bzimage[:0x210], "16M", "a Linux bzImage whose setup header ends in the middle ("),
        ("no-boot-flag", patched(bzimage, 0x1FE, "<H", 0), "16M",
         "a Linux bzImage with a damaged header: boot_flag is 0x0, needed 0xaa55; copy the kernel again"),
        ("old", patched(bzimage, 0x206, "<H", 0x0203), "16M",
         "Linux boot protocol 2.03; needed is 2.10 or later (Linux 2.6.31): use a newer kernel"),
        ("long-setup", patched(bzimage, 0x1F1, "<B", 255), "16M", "a truncated Linux bzImage: found "),
        ("cut-elf", truncated_elf, "64M", f"a truncated ELF file: found {64 << 10} bytes, needed "),
        ("bad-segment", patched(elf, header + 32, "<QQ", 4096, 16), "64M",
         "a damaged ELF file: a segment has 4096 bytes in the file and 16 in memory"),
        ("far-segment", patched(elf, header + 24, "<QQQ", 1 << 45, 4096, 4096), "64M", ""),
        ("object", patched(elf, 16, "<H", 1), "16M",
         "an ELF file of type 1; needed is an executable (type 2): was it linked?"),
        ("other-machine", patched(elf, 18, "<H", 183), "16M", "an ELF file of class 2, byte order 1, machine 183; needed is"),
        ("text", b"Not a kernel, but four kilobytes of text. " * 100, "16M",
         "no format that Keel knows: it begins with 4e 6f 74 20. Needed is one of: Linux bzImage ("),
        ("tiny", b"\x7fELF", "16M", "an ELF file of only 4 bytes; copy it again"),
        ("empty", b"", "16M", "it has 0 bytes: that is no kernel; was the file read in full?"),
    ]


@test("input/kernels")
def names_what_is_wrong_with_each_kernel_and_starts_the_rest():
    rows = kernels()
    conf = good("first") + "".join(keel.vm(name, kernel=name, memory=memory) for name, _, memory, _ in rows) + good("last")
    with boot(conf, {name: contents for name, contents, _, _ in rows}, megs=512) as machine:  # room for all at once
        only_good_ones_ran(machine, "first", "last")
        for name, _, _, why in rows:
            said(machine, f"vm {name}: not started: kernel {name}: {why}")


@test("input/a damaged image")
def says_that_it_cannot_be_expanded():
    image = bytearray(keel.KEEL.read_bytes())
    packed = image.rindex(b"\x1f\x8b\x08\0")  # gzip's first bytes
    image[packed + 2000] ^= 16
    with boot(good("first"), {}, kernel=bytes(image)) as machine:
        machine.expect(r"^Keel: the code in the image cannot be expanded\. The file is damaged", keel.PATIENCE)


@test("input/memory of VMs")
def says_how_much_memory_there_is():
    elf = keel.kernel("debian", "vmlinux").read_bytes()[: 64 << 10]
    header = struct.unpack_from("<Q", elf, 32)[0]
    large = patched(elf, 56, "<H", 1)  # program headers
    large = patched(large, header + 24, "<QQQ", 0x1000000, 4096, 32 << 20)
    conf = (good("first") + keel.vm("huge", memory="8G", kernel=GOOD, format="flat") +
            keel.vm("small", memory="8M", kernel="large") + keel.vm("dwarf", memory="1M", kernel=GOOD, format="flat") +
            good("last"))
    with boot(conf, {"large": large}) as machine:
        only_good_ones_ran(machine, "first", "last")
        found = machine.log
        keel.require(re.search(r"vm huge: not started: 8192 MiB of memory wanted, \d+ MiB of 1?\d\d MiB for guests are free: "
                               r"give the VM less, or the machine more", found), machine.report("nothing about huge"))
        said(machine, "vm small: not started: kernel large: a segment of the kernel needs RAM at 0x1000000 to 0x2ffffff; "
                      "the VM's ends at 0x800000: give it memory = 48M")
        said(machine, "vm dwarf: not started: kernel long: ")


@test("input/nothing")
def says_that_there_is_nothing_to_start():
    with keel.Booted(None, {}, megs=64, ips=IPS) as machine:
        machine.finish(keel.PATIENCE)
        said(machine, "there is no module named keel.conf: one VM of the modules `kernel` and `ramdisk`")
        said(machine, "no VM to start: there is neither a module named keel.conf nor one named kernel; the boot loader "
                      "gave: none. In GRUB, name it behind the file: module2 /boot/vmlinuz kernel console=ttyS0")
        said(machine, "no VM was started.")


@test("input/no section")
def says_that_the_configuration_has_no_vm():
    with keel.Booted("# nothing here\n", {}, megs=64, ips=IPS) as machine:
        machine.finish(keel.PATIENCE)
        said(machine, "keel.conf: it has no [vm NAME] section that can be used; no VM is started")
        said(machine, "no VM was started.")


MENDS = "cpu: model=corei7_skylake_x"
NO_VMX = ["Keel stops: this CPU shows neither VMX (CPUID.1:ECX[5]) nor SVM (CPUID.80000001:ECX[2]). Turn on \"Intel "
          "Virtualization Technology\" (VT-x) or \"SVM Mode\" in the firmware's set-up; in an emulator choose a CPU", MENDS]
LACKS = "Keel stops: the CPU lacks what is named above."
NO_UNRESTRICTED = ['secondary control "unrestricted guest" missing: ',
                   f"use a CPU from Westmere (2010) on, or in Bochs {MENDS}", LACKS]
NO_EPT = ['secondary control "enable EPT" missing: ', *NO_UNRESTRICTED]

# Debian's Bochs shows VMX in the second and the third of them.
MODELS = [
    ("p4_prescott_celeron_336", NO_VMX),
    ("core2_penryn_t9600", NO_EPT),
    ("corei5_lynnfield_750", NO_UNRESTRICTED),
    ("athlon64_clawhammer", NO_VMX),
]


@each("input/model", [(model, model, words) for model, words in MODELS])
def says_what_the_cpu_lacks(model, words):
    with boot(good("guest"), {}, model=model) as machine:
        machine.expect(r"Keel stops: .*\n", keel.PATIENCE)
        for word in words:
            keel.require(word in machine.log, machine.report(f"Keel did not say: {word}"))
        keel.require("started" not in machine.log, machine.report("a VM was started"))


@test("input/model/32 bits only")
def says_so_without_long_mode():
    with boot(good("guest"), {}, model="core_duo_t2400_yonah") as machine:
        machine.expect(r"Keel: this CPU has no 64-bit mode \(CPUID 0x80000001:EDX\[29\]\)\. An x86-64 CPU is needed",
                       keel.PATIENCE)


ENOUGH = r"vm guest: exited with status 1\r?\n"
TOO_LITTLE = (r"vm guest: not started: 16 MiB of memory wanted, \d+ MiB of \d+ MiB for guests are free: give the VM less, "
              r"or the machine more\r?\n.*no VM was started")


@each("input/memory", [("8 MiB", 8, TOO_LITTLE), ("16 MiB", 16, TOO_LITTLE), ("32 MiB", 32, ENOUGH)])
def runs_in_little_memory_or_says_how_much_there_is(megs, ending):
    with boot(good("guest"), {}, megs=megs) as machine:
        machine.expect(ending, keel.PATIENCE)
        machine.finish(keel.PATIENCE)
