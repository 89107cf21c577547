"""Debian's Linux natively and as Keel's guest, in the same emulated machine: what only the guest says, and its time."""
import re

import keel
import unpacked
from keel import Machine, image, require
from registry import test
from test_linux import CMDLINE, IPS, MEGS, Shell, without_config

# Bochs's other models tell Linux a TSC frequency that is not theirs, and natively it believes them.
MODEL = "corei7_haswell_4770"

# Natively Linux finds "fast strings" off in an MSR that the model lacks. Bochs counts each step of a REP as an instruction, so
# both must copy and clear memory alike to be compared.
COMMAND = f"{CMDLINE} clearcpuid=erms,rep_good"

TOPICS = re.compile(r"apic|timer|tsc|clock|mtrr|acpi|x86/|fpu|cache|interrupt|\bpat\b|spectre|mce", re.IGNORECASE)
WARNING = 4

# By how much a boot may be longer than natively, where there are more devices to find.
OVERHEAD = 0.01

# Warnings that only the guest may print, each with the reason: none.
EXPECTED = {}


class Line:
    """A line of `dmesg -r`; `text` is without what differs from boot to boot: time stamps and numbers."""

    def __init__(self, level, stamp, message):
        self.level, self.stamp, self.message = int(level) & 7, float(stamp), message
        self.text = re.sub(r"\b(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]*\b", "#", message)


def lines(log):
    return [Line(*row) for row in re.findall(r"^<(\d+)>\[ *([\d.]+)\] (.*)$", log, re.MULTILINE)]


def boot(machine):
    shell = Shell(machine).wait()
    log = lines(shell.run("dmesg -r", 90))
    require(len(log) > 100, machine.report("dmesg said next to nothing"))
    return log


def native_log():
    elf, bzimage = keel.kernel("debian", "vmlinux"), keel.kernel("debian", "vmlinuz")
    disk = keel.IMAGES / "native-linux.img"
    kernel = unpacked.build(bzimage.read_bytes(), elf.read_bytes())
    image.boot_image(disk, kernel, [("initrd", keel.ramdisk(), "")], COMMAND, protocol="linux")
    # Linux reads MSRs that this model does not have where it cannot catch the exception.
    with Machine(model=MODEL, megs=MEGS, ips=IPS, ignore_bad_msrs=True) as machine:
        machine.start(disk)
        disk.unlink()
        return boot(machine)


def guest_log():
    with without_config(keel.kernel("debian", "vmlinux"), COMMAND, model=MODEL) as machine:
        return boot(machine)


def ticks_to_init(log):
    """Ticks of the TSC from where the kernel sets its clock to where it starts init. The stamps lag behind by an offset."""
    text = "\n".join(f"{line.stamp} {line.message}" for line in log)
    hertz = 1e6 * float(re.search(r"tsc: Detected ([\d.]+) MHz processor", text)[1])
    offset = int(re.search(r"sched_clock: Marking stable .*, (-?\d+)\)$", text, re.MULTILINE)[1])
    stamp = float(re.search(r"^(\S+) Run /init", text, re.MULTILINE)[1])
    return round((stamp - offset / 1e9) * hertz)


def only(log, other):
    known = {line.text for line in other}
    return [line for line in log if line.text not in known]


def difference(native, guest):
    """The file's lines: `-` is only native, `+` only the guest's."""
    sides = [("-", only(native, guest)), ("+", only(guest, native))]
    rows = []
    for title, chosen in [("warnings and errors", lambda line: line.level <= WARNING),
                          ("APIC, timers, clocks, MTRR, ACPI, FPU", lambda line: TOPICS.search(line.message))]:
        rows += [f"{title}:"] + [f"{sign} <{line.level}> {line.message}" for sign, log in sides for line in log if chosen(line)]
    return rows


@test("linux/beside native")
def warns_of_nothing_that_it_does_not_natively():
    native, guest = native_log(), guest_log()
    ticks, native_ticks = ticks_to_init(guest), ticks_to_init(native)
    time = f"to init: native {native_ticks}, guest {ticks} instructions, {(ticks / native_ticks - 1) * 100:+.1f}%"
    rows = difference(native, guest)
    path = keel.BUILD / "logs/native-diff.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([f"Debian's Linux in Bochs ({MODEL}): - natively, + as Keel's guest", time, *rows]) + "\n")

    warnings = [line for line in only(guest, native) if line.level <= WARNING]
    unexpected = [line.message for line in warnings if not any(re.search(known, line.message) for known in EXPECTED)]
    print(f"       {time}\n       only the guest warns: {len(warnings)}, only the native kernel: "
          f"{sum(line.level <= WARNING for line in only(native, guest))}; {path}", flush=True)
    require(not unexpected, "only the guest says:\n" + "\n".join(unexpected))
    require(ticks <= native_ticks * (1 + OVERHEAD), f"{time}; {OVERHEAD:.0%} more are allowed")
