"""Reads the dumps of Keel's trace in a log of the serial port: see docs/tracing.md for the lines."""
import re
import sys

HEAD = re.compile(r"trace: (\d+) records, (\d+) lost, (\d+) ticks a second\s*$")
LINE = re.compile(r"@(\d+)\.(\d{9}) cpu(\d+) (\S+)\.(\d+) (\w+)((?: \w+=[\w?.]+)*)(?: : (.+?))?\s*$")
BEGINS = re.compile(r"@\d+\.\d")
HEXADECIMAL = {"ip", "q", "port", "mem", "msr", "leaf", "call", "vector", "in", "out", "read", "write", "sub", "result"}
DECIMAL = {"size", "cost"}
KINDS = {"exit", "event", "run", "left", "wake", "init", "sipi", "starts", "ends"}


class Record:
    """A line: `ns` since Keel's start, `core`, `vm`, `vcpu`, `kind`, of an exit its `reason`, and `fields` by name."""

    def __init__(self, found):
        seconds, fraction, core, self.vm, vcpu, self.kind, fields, self.reason = found.groups()
        self.ns = int(seconds) * 1_000_000_000 + int(fraction)
        self.core, self.vcpu = int(core), int(vcpu)
        self.fields = {}
        for field in fields.split():
            name, value = field.split("=")
            self.fields[name] = int(value, 16) if name in HEXADECIMAL else int(value) if name in DECIMAL else value

    def injection(self):
        """("interrupt", 236), or None."""
        if "inject" not in self.fields:
            return None
        kind, vector = self.fields["inject"].rsplit(".", 1)
        return kind, int(vector)


class Dump:
    """All that the log has of dumps, each record once: `records` by time, `hz`, `lost`, and `broken`, lines that cannot be read."""

    def __init__(self, text):
        self.hz, self.lost, self.broken = 0, 0, 0
        found = {}
        for line in text.splitlines():
            line = line.strip("\r")
            head, match = HEAD.match(line), LINE.match(line)
            if head:
                self.lost, self.hz = int(head[2]), int(head[3])
            elif match and match[6] in KINDS and (match[8] is not None) == (match[6] == "exit"):
                found[line] = Record(match)
            elif BEGINS.match(line):
                self.broken += 1
        self.records = sorted(found.values(), key=lambda record: record.ns)

    def seconds_of(self, record):
        """What serving the exit took."""
        return record.fields.get("cost", 0) / self.hz

    def runs(self):
        """(record, begin, end) of each time a vCPU had a core; `record` names both. Times in ns."""
        if not self.records:
            return
        begun = {}
        first, last = self.records[0].ns, self.records[-1].ns
        for record in self.records:
            if record.kind == "run":
                begun[record.core] = record
            elif record.kind == "left":
                begin = begun.pop(record.core, None)
                if begin is None or (begin.vm, begin.vcpu) != (record.vm, record.vcpu):
                    yield record, first if begin is None else begin.ns, record.ns
                else:
                    yield begin, begin.ns, record.ns
                first = max(first, record.ns) if begin is None else first
        for record in begun.values():
            yield record, record.ns, last


def read(paths):
    """The dump in these files, or in standard input; ends the program with words if there is none."""
    text = "".join(open(path, errors="replace").read() + "\n" for path in paths) if paths else sys.stdin.read()
    dump = Dump(text)
    if not dump.records or not dump.hz:
        sys.exit("there is no dump of a trace: its first line is `trace: N records, N lost, N ticks a second`")
    if dump.broken:
        print(f"{dump.broken} lines broken by other output are left out", file=sys.stderr)
    return dump
