#!/usr/bin/env python3
"""
Turns the dump of Keel's trace in a serial log into JSON for https://ui.perfetto.dev and chrome://tracing.

    tools/trace2json.py serial.log > trace.json

A VM is a process and a vCPU a thread: its runs, in them its exits, and instants of what was injected. The cores are a process
too. Times are in microseconds since Keel's start.
"""
import json
import sys

import trace_dump

CORES = 0    # the process of the cores; VMs are 1, 2, ... in the order in which they come


def shown(fields):
    """An exit's fields as they are in the dump."""
    return {name: f"{value:#x}" if name in trace_dump.HEXADECIMAL else value for name, value in fields.items()}


class Writer:
    def __init__(self, dump):
        self.dump, self.events, self.pids, self.threads = dump, [], {}, set()

    def name(self, what, pid, name, tid=0):
        self.events.append({"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}})

    def thread(self, pid, tid, name):
        if (pid, tid) not in self.threads:
            self.threads.add((pid, tid))
            self.name("thread_name", pid, name, tid)

    def place(self, record):
        """The vCPU's process and thread."""
        if record.vm not in self.pids:
            self.pids[record.vm] = len(self.pids) + 1
            self.name("process_name", self.pids[record.vm], f"VM {record.vm}")
        pid = self.pids[record.vm]
        self.thread(pid, record.vcpu, f"vCPU {record.vcpu}")
        return {"pid": pid, "tid": record.vcpu}

    def slice(self, place, name, category, begin, ns, **args):
        self.events.append({"name": name, "cat": category, "ph": "X", "ts": begin / 1000, "dur": ns / 1000, **place, "args": args})

    def instant(self, place, name, category, ns, scope="t", **args):
        self.events.append({"name": name, "cat": category, "ph": "i", "s": scope, "ts": ns / 1000, **place, "args": args})

    def add_runs(self):
        self.name("process_name", CORES, "cores")
        for record, begin, end in self.dump.runs():
            name = f"{record.vm}.{record.vcpu}"
            self.thread(CORES, record.core, f"core {record.core}")
            self.slice({"pid": CORES, "tid": record.core}, name, "run", begin, end - begin)
            self.slice(self.place(record), f"core {record.core}", "run", begin, end - begin)

    def add(self, record):
        place, injection = self.place(record), record.injection()
        end = record.ns
        if record.kind == "exit":
            ns = round(self.dump.seconds_of(record) * 1e9)
            self.slice(place, record.reason, "exit", record.ns, ns, **shown(record.fields))
            end += ns
        if injection:
            self.instant(place, f"{injection[0]} {injection[1]}", "injection", end, vector=injection[1])
        elif record.kind not in ("exit", "run", "left"):
            self.instant(place, record.kind, "event", end, "p" if record.kind in ("starts", "ends") else "t", **shown(record.fields))


def convert(dump):
    """The trace as the format's object."""
    writer = Writer(dump)
    writer.add_runs()
    for record in dump.records:
        writer.add(record)
    return {"displayTimeUnit": "ns", "traceEvents": writer.events, "otherData": {"lost": dump.lost, "ticks a second": dump.hz}}


if __name__ == "__main__":
    json.dump(convert(trace_dump.read(sys.argv[1:])), sys.stdout, separators=(",", ":"))
    print()
