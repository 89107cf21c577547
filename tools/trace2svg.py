#!/usr/bin/env python3
"""
Draws the dump of Keel's trace in a serial log: time from left to right, a lane for each vCPU and each core.

    tools/trace2svg.py [--title=TEXT] [--from=SECONDS] [--to=SECONDS] serial.log > trace.svg

A vCPU's lane has its exits: a column's height is the square root of their number, its parts are the reasons; below, black, the part of the time that Keel took
for them; its ground is shaded while the vCPU had a core. A core's lane has the VMs that ran on it.
"""
import argparse
import collections
import sys
from xml.sax.saxutils import escape

import trace_dump

WIDTH, LEFT, RIGHT, LANE, CORE, SHARE, GAP, COLUMN = 1000, 90, 10, 90, 14, 8, 12, 4
COLOURS = ["#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#9c755f", "#ff9da7"]
OTHER = "#bab0ac"


def ticks(begin, end):
    """Round numbers of seconds between the two, eight or so."""
    step = 1e-9
    while (end - begin) / step > 12:
        for factor in (2, 2.5, 2):
            step *= factor
            if (end - begin) / step <= 12:
                break
    n = int(begin / step)
    while n * step <= end:
        if n * step >= begin:
            yield n * step, f"{n * step:.9f}".rstrip("0").rstrip(".") or "0"
        n += 1


class Picture:
    def __init__(self, dump, title):
        self.dump, self.title, self.parts, self.y = dump, title, [], 40
        self.begin, self.end = dump.records[0].ns, max(record.ns for record in dump.records) + 1
        self.columns = (WIDTH - LEFT - RIGHT) // COLUMN
        self.exits = [record for record in dump.records if record.kind == "exit"]
        counts = collections.Counter(record.reason for record in self.exits)
        self.colours = {reason: COLOURS[n] if n < len(COLOURS) else OTHER for n, (reason, _) in enumerate(counts.most_common())}
        self.counts = counts
        self.vms = {vm: COLOURS[n % len(COLOURS)] for n, vm in enumerate(sorted({record.vm for record in dump.records}))}

    def x(self, ns):
        return LEFT + (ns - self.begin) / (self.end - self.begin) * self.columns * COLUMN

    def column(self, record):
        return int((self.x(record.ns) - LEFT) / COLUMN)

    def text(self, x, y, text, **style):
        attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{attributes}>{escape(text)}</text>')

    def paths(self, rectangles):
        """{colour: [(x, y, width, height)]}, a path a colour."""
        for colour, places in rectangles.items():
            data = "".join(f"M{x:.4g} {y:.4g}h{width:.3g}v{height:.3g}h-{width:.3g}z" for x, y, width, height in places)
            self.parts.append(f'<path fill="{colour}" d="{data}"/>')

    def spans(self, runs):
        """Runs as (x, width), those that the eye cannot tell apart in one."""
        merged = []
        for begin, end in sorted(runs):
            left, right = self.x(begin), max(self.x(end), self.x(begin) + 0.5)
            if merged and left - merged[-1][1] < 0.5:
                merged[-1][1] = max(merged[-1][1], right)
            else:
                merged.append([left, right])
        return [(left, right - left) for left, right in merged]

    def draw_vcpu(self, vm, vcpu, runs, most):
        bottom = self.y + LANE
        columns = collections.defaultdict(collections.Counter)
        busy = collections.Counter()
        for record in self.exits:
            if (record.vm, record.vcpu) == (vm, vcpu):
                columns[self.column(record)][record.reason] += 1
                busy[self.column(record)] += self.dump.seconds_of(record) * 1e9
        self.paths({"#eee": [(x, self.y, width, LANE) for x, width in self.spans(runs)]})
        bars = collections.defaultdict(list)
        width = (self.end - self.begin) / self.columns
        for column, counts in columns.items():
            y, total = bottom, counts.total()
            for reason in self.colours:
                height = counts[reason] / total * (total / most) ** .5 * (LANE - 4)
                if height >= 0.1:
                    y -= height
                    bars[self.colours[reason]].append((LEFT + column * COLUMN, y, COLUMN, height))
            share = min(busy[column] / width, 1) * SHARE
            if share >= 0.1:
                bars["#000"].append((LEFT + column * COLUMN, bottom + 1 + SHARE - share, COLUMN, share))
        self.paths(bars)
        self.parts.append(f'<path stroke="#888" d="M{LEFT} {bottom + .5}H{WIDTH - RIGHT}"/>')
        self.text(LEFT - 6, self.y + LANE / 2, f"{vm}.{vcpu}", text_anchor="end")
        self.text(LEFT - 6, self.y + 9, f"{most}", text_anchor="end", fill="#888")
        self.y = bottom + SHARE + GAP

    def draw_core(self, core, runs):
        places = collections.defaultdict(list)
        for record, begin, end in runs:
            places[record.vm].append((begin, end))
        self.paths({"#eee": [(LEFT, self.y, self.columns * COLUMN, CORE)]})
        self.paths({self.vms[vm]: [(x, self.y, width, CORE) for x, width in self.spans(times)] for vm, times in places.items()})
        self.text(LEFT - 6, self.y + CORE - 3, f"core {core}", text_anchor="end")
        self.y += CORE + 4

    def draw_axis(self):
        for seconds, label in ticks(self.begin / 1e9, self.end / 1e9):
            x = self.x(seconds * 1e9)
            self.parts.append(f'<path stroke="#888" d="M{x:.5g} {self.y}v5"/>')
            self.text(x, self.y + 16, label, text_anchor="middle")
        self.text(LEFT - 6, self.y + 16, "seconds", text_anchor="end")
        self.y += 30

    def legend(self, rows):
        """(colour, text), four in a row."""
        for n, (colour, text) in enumerate(rows):
            x, y = LEFT + n % 4 * 225, self.y + n // 4 * 16
            self.parts.append(f'<path fill="{colour}" d="M{x} {y}h10v10h-10z"/>')
            self.text(x + 14, y + 9, text)
        self.y += (len(rows) + 3) // 4 * 16 + 8

    def draw(self):
        runs = list(self.dump.runs())
        vcpus = sorted({(record.vm, record.vcpu) for record in self.dump.records})
        stacks = collections.Counter((record.vm, record.vcpu, self.column(record)) for record in self.exits)
        most = max(stacks.values(), default=1)
        self.text(LEFT, 16, self.title, font_size=14)
        ms = (self.end - self.begin) / self.columns / 1e6
        self.text(LEFT, 31, f"{len(self.exits)} exits; a column is {ms:.3g} ms, its height the square root of its exits, at most {most}", fill="#555")
        for vm, vcpu in vcpus:
            self.draw_vcpu(vm, vcpu, [(begin, end) for record, begin, end in runs if (record.vm, record.vcpu) == (vm, vcpu)], most)
        for core in sorted({record.core for record in self.dump.records}):
            self.draw_core(core, [run for run in runs if run[0].core == core])
        self.draw_axis()
        named = [(colour, f"{reason} {self.counts[reason]}") for reason, colour in self.colours.items() if colour != OTHER]
        others = sum(self.counts[reason] for reason, colour in self.colours.items() if colour == OTHER)
        self.legend(named + ([(OTHER, f"others {others}")] if others else []) + [("#000", "part of the time in Keel"), ("#eee", "has a core")])
        if len(self.vms) > 1:
            self.legend([(colour, f"VM {vm}") for vm, colour in self.vms.items()])
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y}" font-family="sans-serif" font-size="11">\n'
                f'<rect width="{WIDTH}" height="{self.y}" fill="#fff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def draw(dump, title="Keel's trace"):
    return Picture(dump, title).draw()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--title", default="Keel's trace")
    parser.add_argument("--from", dest="begin", type=float, default=0)
    parser.add_argument("--to", dest="end", type=float, default=float("inf"))
    parser.add_argument("logs", nargs="*")
    options = parser.parse_args()
    dump = trace_dump.read(options.logs)
    dump.records = [record for record in dump.records if options.begin <= record.ns / 1e9 <= options.end]
    if not dump.records:
        sys.exit("no record is of that time")
    sys.stdout.write(draw(dump, options.title))


if __name__ == "__main__":
    main()
