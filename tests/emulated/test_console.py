"""The console: several VMs at one serial port, the escape key, and ports of VMs' own."""
import re
import socket

import keel
from keel import require
from registry import on_each, test
from test_guests import binary

ESCAPE = "\x1d"


def echo(name, **keys):
    return keel.vm(name, memory="16M", kernel="echo", format="flat", load="0x8000", entry="real", **keys)


def boot(conf, **machine):
    return keel.Booted(conf, {"echo": binary("echo")}, megs=128, **machine)


@test("console/focus")
def the_escape_key_moves_the_focus():
    with boot(echo("one") + echo("two"), ips=10_000_000) as machine:
        machine.expect(r"vm two: started", keel.PATIENCE)
        machine.send("a")
        machine.expect(r"\[a\]", 30)
        machine.send(ESCAPE + "2b")
        machine.expect(r"^console: 2 two has the focus\r\n>\[b\]", 30)
        machine.send(ESCAPE + "?")
        machine.expect(r"^console: m monitor, 1 one \(\w+\), 2 two \(\w+, focus\)\r$", 30)
        machine.send(ESCAPE + ESCAPE + "q")
        machine.expect(r"\[\x1d\]", 30)
        machine.expect(r"vm two: exited with status 1", 30)
        machine.send("c")
        machine.expect(r"\[c\]", 30)
        machine.send("q")
        machine.expect(r"vm one: exited with status 1", 30)
        machine.finish(30)


@test("console/escape = ^A")
def the_escape_key_is_chosen():
    with boot("[keel]\nescape = ^A\n" + echo("one") + echo("two"), ips=10_000_000) as machine:
        machine.expect(r"vm two: started", keel.PATIENCE)
        machine.send(f"\x012{ESCAPE}q")
        machine.expect(r"^console: 2 two has the focus\r\n>\[\x1d\]", 30)
        machine.expect(r"vm two: exited with status 1", 30)
        machine.send("q")
        machine.finish(30)


@test("console/flood")
def a_flood_is_slowed_down_and_no_other():
    """Bochs's UART takes the time that a wire takes: 8000 bytes are 0.7 s, and 2000 times the other VM's line."""
    with boot(echo("one") + echo("two"), ips=10_000_000) as machine:
        machine.expect(r"vm two: started", keel.PATIENCE)
        machine.send("f" + ESCAPE + "2" + "a")
        machine.expect(r"2 two has the focus\r\n>\[a\]", 30)
        require(machine.log.count("x") < 3500, machine.report("the other VM waited for the flood"))
        machine.send("o")
        machine.expect(r"[y\n]\.\r\n", 60)
        machine.send("q")
        machine.expect(r"vm two: exited with status 1", 30)
        machine.send("q")
        machine.expect(r"vm one: exited with status 1", 30)
        machine.finish(30)
        floods = "".join(re.findall(r"[xy]+", machine.log))
        require(floods.count("x") >= 4000, machine.report(f"{floods.count('x')} bytes of a flood that waits"))
        require(floods.count("y") >= 4000, machine.report(f"{floods.count('y')} bytes of one that does not"))


@test("console/serial = com2", platform="qemu-tcg-svm")
def a_port_of_a_vms_own_is_apart():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        options = ["-chardev", f"socket,id=com2,host=127.0.0.1,port={port}", "-serial", "chardev:com2"]
        conf = echo("own", serial="com2") + echo("shared") + echo("second", serial="com2")
        with boot(conf, kind="qemu", model="max", options=options) as machine:
            own, _ = listener.accept()
            with own:
                own.settimeout(60)
                machine.expect(r"vm second: not started: COM2 is another VM's", keel.PATIENCE)
                require(own.recv(1) == b">", "COM2 did not say >")
                own.sendall(b"x" + ESCAPE.encode())
                heard = b""
                while len(heard) < 6:
                    heard += own.recv(16)
                require(heard == b"[x][\x1d]", f"COM2 said {heard}")
                machine.send("s" + ESCAPE + "1")
                machine.expect(r"console: VM 1 has a port of its own", 30)
                machine.send("t")
                machine.expect(r"\[t\]", 30)
                own.sendall(b"q")
                machine.expect(r"vm own: exited with status 1", 30)
                machine.send("q")
                machine.finish(30)


# Two users of one port each: what keel.conf says, and what comes of it. All VMs are `echo`.
TAKEN = [
    ("gdb and the console", "[keel]\ngdb = com1\n" + echo("one"), r"gdb: COM1 is Keel's console: GDB is not served\. .*gdb = com2, or console = com2"),
    ("gdb and a VM", "[keel]\ngdb = com2\n" + echo("one") + echo("two", serial="com2"), r"vm two: not started: COM2 is GDB's: give one"),
    ("a recording and the console", echo("one") + echo("two", record="com1"), r"vm two: not started: record: COM1 is Keel's console"),
    ("a VM and its recording", echo("one") + echo("two", serial="com2", record="com2"), r"vm two: not started: COM2 is a recording's"),
]


@on_each("console/one user of a port", TAKEN, names=("qemu-tcg-svm",))
def a_port_has_one_user(platform, conf, refusal):
    settings = platform.machine()
    settings["options"] = settings["options"] + ["-serial", "null"]
    with boot(conf, **settings) as machine:
        machine.expect(refusal, keel.PATIENCE)
        machine.expect(r">", 30)
        machine.send("a")
        machine.expect(r"\[a\]", 30)                     # the console hears
        machine.send(ESCAPE + "m")
        machine.expect(r"keel> ", 30)
        machine.send("exit\rq")
        machine.expect(r"vm one: exited with status 1", 30)
        machine.finish(30)


KEEL_LINES = 120


@test("console/the operator beside a flood")
def the_operator_gets_through():
    """
    A VM writes to its UART without looking, ten times what the wire takes: the monitor answers, a VM that waits for the wire
    gets its half of it, and each of Keel's lines is seen.
    """
    flood = keel.vm("flood", memory="2M", kernel="flood", format="flat", load="0x8000", entry="long")
    # mov dx, 0x3f8; next: mov ecx, 60; more: mov al, 'f'; out dx, al; loop more; mov al, 10; out dx, al; jmp next
    code = bytes.fromhex("66baf803" "b93c000000" "b066" "ee" "e2fb" "b00a" "ee" "ebf1")
    with keel.Booted(flood + echo("one"), {"flood": code, "echo": binary("echo")}, megs=128, ips=10_000_000) as machine:
        machine.expect(r"vm one: started", keel.PATIENCE)
        machine.expect(r"f{40}", 60)
        machine.expect(r"console: \d+ bytes of flood lost in 1[01] s", 60)

        machine.send(ESCAPE + "2f")
        begun = machine.expect(r"2 one has the focus\r\n>?", 20).end()
        machine.expect(r"x\.\r\n", 60)
        said = machine.log[begun:machine.seen]
        polite, floods = said.count("x"), said.count("f")
        require(polite == 4000, machine.report(f"{polite} of 4000 bytes of a VM that waits"))
        require(polite > 0.4 * (polite + floods), machine.report(f"{polite} bytes of a VM that waits, {floods} of a flood"))

        machine.send((ESCAPE + "1" + ESCAPE + "2") * (KEEL_LINES // 2) + "a")
        begun = machine.seen
        machine.expect(r"\[a\]", 60)
        lines = re.findall(r"^console: [12] (?:flood|one) has the focus\r$", machine.log[begun:], re.MULTILINE)
        require(len(lines) == KEEL_LINES, machine.report(f"{len(lines)} of {KEEL_LINES} of Keel's lines"))

        begun = machine.seen
        machine.send(ESCAPE + "m")
        machine.expect(r"keel> ", 20)
        wire = len(machine.log[begun:machine.seen])
        require(wire < 2000, machine.report(f"{wire} bytes passed from the key to the prompt"))
        machine.send("reset one\r")
        machine.expect(r"one: is being reset", 20)
        machine.expect(r"vm one: reset\r\n", 20)
        machine.expect(r"vm one: started", 30)
        machine.send("stop flood\r")
        machine.expect(r"vm flood: stopped", 30)
        machine.send("stop one\r")
        machine.finish(30)
