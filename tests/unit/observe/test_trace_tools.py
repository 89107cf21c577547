"""tools/trace2json.py and trace2svg.py, on a dump that is written out here; validate() is for other tests too."""
import json
import pathlib
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))

import trace2json  # noqa: E402
import trace2svg  # noqa: E402
import trace_dump  # noqa: E402

LOG = """\
[   0.100000 cpu0] vm web: started, 2 vcpus, 8 MiB\r
trace: 9 records, 3 lost, 1000000000 ticks a second\r
@1.000000000 cpu0 web.0 starts\r
@1.000001000 cpu0 web.0 run\r
@1.000002000 cpu0 web.0 exit ip=fff0 q=3f80000 port=3f8 size=1 out=41 cost=500 then=on : I/O instruction\r
two| a line of another VM, @1.5 in it\r
@1.000003000 cpu1 my.vm.1 exit ip=ffffffff81000000 q=0 leaf=40000000 sub=0 cost=250 then=on inject=interrupt.236 : CPUID\r
@1.000004000 cpu1 my.vm.1 left\r
@1.000005000 cpu1 my.vm.1 event inject=nmi.2\r
@1.000006000 cpu0 web.0 exit ip=10 q=0 cost=100 then=leave : exception or\r
@1.000007000 cpu1 my.vm.1 sipi vector=9a\r
@1.000008000 cpu0 web.0 ends how=exit\r
trace: end\r
trace: 2 records, 3 lost, 1000000000 ticks a second
@1.000008000 cpu0 web.0 ends how=exit
@1.0000
"""


def validate(trace):
    """What Perfetto and chrome://tracing want of a trace (the "Trace Event Format"); raises AssertionError otherwise."""
    named = set()
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str) and event["name"], event
        assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
        assert isinstance(event["args"], dict), event
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name") and isinstance(event["args"]["name"], str), event
            named.add((event["name"], event["pid"], event["tid"] if event["name"] == "thread_name" else 0))
            continue
        assert event["ph"] in ("X", "i"), event
        assert isinstance(event["ts"], (int, float)) and event["ts"] >= 0 and isinstance(event["cat"], str), event
        if event["ph"] == "X":
            assert isinstance(event["dur"], (int, float)) and event["dur"] >= 0, event
        else:
            assert event["s"] in ("g", "p", "t"), event
        assert ("process_name", event["pid"], 0) in named, f"no name of process {event['pid']}"
        assert ("thread_name", event["pid"], event["tid"]) in named, f"no name of {event['pid']}.{event['tid']}"
    json.loads(json.dumps(trace))


class Dump(unittest.TestCase):
    def setUp(self):
        self.dump = trace_dump.Dump(LOG)

    def test_each_record_once_and_nothing_else(self):
        self.assertEqual([record.kind for record in self.dump.records],
                         ["starts", "run", "exit", "exit", "left", "event", "exit", "sipi", "ends"])
        self.assertEqual((self.dump.hz, self.dump.lost, self.dump.broken), (10**9, 3, 1))

    def test_fields_have_their_bases(self):
        record = self.dump.records[2]
        self.assertEqual(record.fields, {"ip": 0xfff0, "q": 0x3f80000, "port": 0x3f8, "size": 1, "out": 0x41, "cost": 500, "then": "on"})
        self.assertEqual((record.ns, record.core, record.vm, record.vcpu, record.reason), (1000002000, 0, "web", 0, "I/O instruction"))
        self.assertEqual(self.dump.records[3].vm, "my.vm")
        self.assertEqual(self.dump.records[3].injection(), ("interrupt", 236))
        self.assertEqual(self.dump.records[7].fields, {"vector": 0x9a})

    def test_runs_without_begin_or_end_last_as_long_as_the_dump(self):
        runs = [(f"{record.vm}.{record.vcpu}", record.core, begin - 10**9, end - 10**9) for record, begin, end in self.dump.runs()]
        self.assertEqual(runs, [("my.vm.1", 1, 0, 4000), ("web.0", 0, 1000, 8000)])


class Json(unittest.TestCase):
    def setUp(self):
        self.trace = trace2json.convert(trace_dump.Dump(LOG))
        self.events = self.trace["traceEvents"]

    def test_it_is_of_the_format(self):
        validate(self.trace)

    def test_a_vm_is_a_process_and_a_vcpu_a_thread(self):
        names = {(event["pid"], event["tid"]): event["args"]["name"] for event in self.events if event["name"] == "thread_name"}
        pids = {event["args"]["name"]: event["pid"] for event in self.events if event["name"] == "process_name"}
        self.assertEqual(set(pids), {"cores", "VM web", "VM my.vm"})
        self.assertEqual(names[pids["VM my.vm"], 1], "vCPU 1")
        self.assertEqual(names[pids["cores"], 1], "core 1")

    def test_an_exit_is_a_slice_within_its_run(self):
        found = [event for event in self.events if event.get("cat") == "exit" and event["name"] == "I/O instruction"]
        self.assertEqual(len(found), 1)
        self.assertEqual((found[0]["ts"], found[0]["dur"]), (1000002.0, 0.5))
        self.assertEqual((found[0]["args"]["port"], found[0]["args"]["cost"]), ("0x3f8", 500))
        run = next(event for event in self.events if event["ph"] == "X" and event["name"] == "core 0")
        self.assertTrue(run["ts"] <= found[0]["ts"] and found[0]["ts"] + found[0]["dur"] <= run["ts"] + run["dur"])

    def test_injections_are_instants(self):
        found = {event["name"]: event["ts"] for event in self.events if event.get("cat") == "injection"}
        self.assertEqual(found, {"interrupt 236": 1000003.25, "nmi 2": 1000005.0})


class Svg(unittest.TestCase):
    def draw(self, log, title="a <title>"):
        text = trace2svg.draw(trace_dump.Dump(log), title)
        self.assertTrue(text.startswith("<svg "))
        return ["".join(element.itertext()) for element in xml.etree.ElementTree.fromstring(text)]

    def test_it_has_lanes_a_legend_and_its_title(self):
        texts = self.draw(LOG)
        for text in ("a <title>", "web.0", "my.vm.1", "core 0", "core 1", "I/O instruction 1", "CPUID 1", "VM web", "seconds"):
            self.assertIn(text, texts)

    def test_one_record_is_enough(self):
        head = "trace: 1 records, 0 lost, 5 ticks a second\n"
        self.assertIn("a.0", self.draw(head + "@0.000000001 cpu0 a.0 wake\n"))
        self.assertIn("HLT 1", self.draw(head + "@9.000000001 cpu0 a.0 exit ip=0 q=0 cost=0 then=? : HLT\n"))

    def test_it_stays_small(self):
        lines = [f"@{n // 1000}.{n % 1000:03}000000 cpu{n % 2} vm.{n % 2} exit ip={n:x} q=0 cost={n} then=on : reason {n % 11}"
                 for n in range(20000)]
        text = trace2svg.draw(trace_dump.Dump("trace: 20000 records, 0 lost, 1000000 ticks a second\n" + "\n".join(lines)))
        self.assertLess(len(text), 150 * 1024)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors)
    print(f"[  PASSED  ] {result.testsRun - failed} test(s).")
    if failed:
        print(f" {failed} FAILED TEST(S)")
    sys.exit(failed > 0)
