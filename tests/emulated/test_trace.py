"""The trace of a guest whose exits are known, in order; and what the tools make of it."""
import itertools
import sys

import keel
from keel import require
from registry import on_each
from test_guests import binary

sys.path[:0] = [str(keel.ROOT / "tools"), str(keel.ROOT / "tests/unit/observe")]

import test_trace_tools  # noqa: E402
import trace2json  # noqa: E402
import trace2svg  # noqa: E402
import trace_dump  # noqa: E402

PLATFORMS = ("bochs-vmx", "bochs-svm", "qemu-tcg-svm")


def counts(machine_of, trace, size=1024):
    """guests/counts.asm with that trace, to its end: the machine, and the dump."""
    conf = f"[keel]\nreport = trace\ntrace = {trace}\ntrace_size = {size}\n"
    conf += keel.vm("counts", memory="8M", kernel="counts", format="flat", load="0x8000", entry="long")
    with keel.Booted(conf, {"counts": binary("counts")}, megs=192, ips=10_000_000, **machine_of) as machine:
        machine.finish(60)
        dump = trace_dump.Dump(machine.log)
        require(dump.hz and not dump.broken, machine.report("no whole dump"))
        require("leaked" not in machine.log, machine.report("the rings count as leaked"))
        return machine, dump


def what(record):
    """A record in short."""
    fields = record.fields
    if record.kind != "exit":
        return record.kind
    if "port" in fields:
        return f"{fields['port']:x} {'in' if 'in' in fields else 'out'} {fields.get('in', fields.get('out')):x}"
    return f"{fields['mem']:x}"


@on_each("trace", [("known exits in order",)], PLATFORMS)
def known_exits(platform):
    machine, dump = counts(platform.machine(), f"on io,{'ept' if platform.vendor == 'vmx' else 'nested'}")
    records = dump.records
    exits = [record for record in records if record.kind == "exit"]
    require(len(records) == 1024, machine.report(f"{len(records)} records, not the latest 1024"))
    order = [(name, len(list(group))) for name, group in itertools.groupby(map(what, exits))]
    place = order.index(("10 in ff", 300)) if ("10 in ff", 300) in order else 0
    require(place and order[place - 1][0].startswith("80 out "), machine.report(f"not POST codes, then port 0x10: {order[:4]}"))
    require(order[place + 1] == ("fec00000", 200), machine.report(f"not then 200 reads of the I/O APIC: {order[place + 1]}"))
    said = "".join(chr(int(name.split()[2], 16)) * count for name, count in order[place + 2:] if name.startswith("3f8 out "))
    require(said == "pass\r\n", machine.report(f"the UART was sent {said!r}"))
    require(order[-1] == ("f4 out 0", 1), machine.report(f"the last exit is {order[-1]}"))
    require([record.fields["then"] for record in exits[-2:]] == ["on", "end"], machine.report("the last exit does not end the VM"))
    require([record.kind for record in records[-2:]] == ["left", "ends"], machine.report("no `left` and `ends` behind it"))
    require(records[-1].fields == {"how": "exit"}, machine.report("not how the VM ended"))
    require(len({record.fields["ip"] for record in exits if what(record) == "10 in ff"}) == 1, machine.report("one instruction"))
    trace = trace2json.convert(dump)
    test_trace_tools.validate(trace)
    slices = [event for event in trace["traceEvents"] if event.get("cat") == "exit"]
    require(len(slices) == len(exits), machine.report("the JSON has other exits"))
    require("I/O instruction 8" in trace2svg.draw(dump), machine.report("no legend in the picture"))


@on_each("trace", [("what is filtered out is not there",)], ("qemu-tcg-svm",))
def filters(platform):
    machine, dump = counts(platform.machine(), "on counts.0 cpuid -events", 4096)
    kinds = {(record.kind, record.reason) for record in dump.records}
    require(kinds == {("exit", "CPUID")} and len(dump.records) == 1000, machine.report(f"{len(dump.records)} records: {kinds}"))
