"""What Keel counts of exits and says of them: `report = exits`."""
import re

import keel
from keel import require
from registry import on_each
from test_guests import binary

ROW = r"^( *\S.*?) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)\.(\d)%\r?$"
EXPECTED = {"CPUID": 1000, "  POST code 80-8f": 500, "  ioapic fec00000-fec00fff": 200}


def rows(text):
    """{name: (count, total, mean, min, max)} of a printed table."""
    return {name: tuple(map(int, figures[:5])) for name, *figures in re.findall(ROW, text, re.MULTILINE)}


@on_each("stats", [("exits of a known number",)], ("bochs-vmx", "bochs-svm", "qemu-tcg-svm"))
def counts_exits(platform):
    conf = "[keel]\nreport = exits\n" + keel.vm("counts", memory="8M", kernel="counts", format="flat", load="0x8000",
                                                entry="long")
    with keel.Booted(conf, {"counts": binary("counts")}, megs=192, **platform.machine()) as machine:
        machine.finish(60)
        found = rows(machine.log)
        for name, count in EXPECTED.items():
            require(found.get(name, (None,))[0] == count, machine.report(f"{name}: not {count} in {found}"))
        for name, (count, total, mean, least, most) in found.items():
            require(0 < least <= mean <= most and mean == total // count, machine.report(f"{name} is not consistent"))
        ports = {name: row for name, row in found.items() if name.startswith("  ") and "fec0" not in name}
        own = found["I/O instruction"][0] - sum(row[0] for row in ports.values())
        require(own == 300, machine.report(f"{own} exits of ports that nobody answers, not 300"))
        top = [row for name, row in found.items() if not name.startswith("  ") and name != "all"]
        require(tuple(map(sum, zip(*top)))[:2] == found["all"][:2], machine.report("the sum is not that of the rows"))
