"""QEMU's two ways in from outside: its monitor, for memory and the screen, and its gdb stub, for a processor's registers."""
import json
import pathlib
import re
import socket

import keel


class Monitor:
    """QMP. The machine needs `options` of its own before it starts, and attach() after."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "qmp"
        self.options = ["-qmp", f"unix:{self.path},server=on,wait=off"]

    def attach(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(self.path))
        self.lines = self.socket.makefile()
        self.lines.readline()
        self.ask("qmp_capabilities")
        return self

    def ask(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise keel.Failure(f"QEMU's monitor: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def memory(self, address, size):
        """Physical memory."""
        path = self.path.with_name("memory")
        self.ask("pmemsave", val=address, size=size, filename=str(path))
        return path.read_bytes()

    def screen(self):
        """Width, height, and a function: whether the point at (x, y) is lit."""
        path = self.path.with_name("screen.ppm")
        self.ask("screendump", filename=str(path))
        data = path.read_bytes()
        head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        width, height = int(head[1]), int(head[2])
        return width, height, lambda x, y: data[head.end() + 3 * (y * width + x)] > 128


class Stub:
    """A client of QEMU's gdb stub, as small as can be: the machine stands still while it is connected."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "gdb"
        self.options = ["-chardev", f"socket,path={self.path},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"]

    def attach(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(self.path))
        self.ask("?")
        self.ask("qXfer:features:read:target.xml:0,1000")    # registers one by one are for those who know them
        return self

    def ask(self, packet):
        self.socket.sendall(f"${packet}#{sum(packet.encode()) % 256:02x}".encode())
        data = b""
        while True:
            while not (found := re.search(rb"\$([^#]*)#..", data)):
                data += self.socket.recv(4096)
            self.socket.sendall(b"+")
            data = data[found.end():]
            if packet == "?" or not found[1].startswith(b"T"):    # that the machine has stopped comes unasked
                return found[1].decode("latin-1")

    def set_rip(self, cpu, rip):
        """QEMU numbers its processors from 1; RIP is register 16 of its target description."""
        for packet in (f"Hg{cpu + 1:x}", f"P10={rip.to_bytes(8, 'little').hex()}"):
            keel.require(self.ask(packet) == "OK", f"QEMU's gdb stub refuses {packet}")

    def leave(self):
        """The machine goes on."""
        self.ask("D")
        self.socket.close()
