#!/usr/bin/env python3
"""
Recordings of VMs: taken over a second serial port, or out of a machine's memory, and replayed on this machine. As a
program it makes those of tests/recordings anew: the beginning of a Debian boot on each vendor.
"""
import gzip
import pathlib
import struct
import subprocess
import threading
import time

import keel
import pagewalk
import platforms

REPLAY = keel.BUILD / "replay/replay"
SIGNATURE, MAGIC = b"KEEL-RECORDING-1", b"KEELREC1"


class Recorded(keel.Booted):
    """A machine whose VM has `record = com2`; `recording` is what came there."""

    def __init__(self, conf, files=None, **machine):
        self.recording, self.listener = bytearray(), None
        super().__init__(conf, files, serials=2, **machine)

    def start(self, image=None):
        super().start(image)
        self.ports[1].settimeout(None)
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()
        return self

    def listen(self):
        port = self.ports[1]
        try:
            while data := port.recv(1 << 20):
                self.recording += data
        except OSError:
            pass

    def heard(self):
        """All of it, once the machine has ended."""
        self.listener.join(30)
        return bytes(self.recording)


PLACE = r"exits recorded.*, (\d+) bytes, at 0x(\w+)\r?\n"
WINDOW = 0xFFFF800000000000  # PHYS_WINDOW of hv/host/paging.h


def out_of_memory(machine, timeout):
    """The recording of a VM with `record = memory` and `all_off = monitor`, in Bochs with its debugger: at its end."""
    length, address = machine.expect(PLACE, timeout).groups()
    machine.expect("waiting at the console", 30)
    debugger = pagewalk.Debugger(machine)
    debugger.stop()
    path = machine.folder / "recording"
    debugger.ask(f'writemem "{path}" {WINDOW + int(address, 16):#x} {int(length)}')
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < int(length):  # the debugger's prompt comes first
        keel.require(time.monotonic() < deadline, "Bochs's debugger does not write the recording")
        time.sleep(0.1)
    return path.read_bytes()


def find(dump):
    """The recordings in a dump of a machine's memory: struct record_buffer of hv/observe/record_format.h."""
    found, at = [], -1
    while (at := dump.find(SIGNATURE, at + 1)) >= 0:
        size, used = struct.unpack_from("<QQ", dump, at + 16)
        stream = dump[at + 32:at + 32 + used]
        if used <= size and len(stream) == used and stream.startswith(MAGIC):
            found.append(stream)
    return found


def replay(stream, *options):
    """What the replay of these bytes says, and its exit status."""
    path = pathlib.Path(keel.BUILD / "replay" / f"stream-{threading.get_ident()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream)
    try:
        done = subprocess.run([REPLAY, *options, path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    finally:
        path.unlink()
    return done.stdout.decode(errors="replace"), done.returncode


def debian(record, **keys):
    """A configuration and its modules, to boot Debian in a VM that is recorded."""
    import test_linux

    conf = keel.vm("linux", memory="128M", kernel="vmlinux", ramdisk="initrd.gz", cmdline=test_linux.CMDLINE, record=record, **keys)
    return conf, {"vmlinux": keel.kernel("debian", "vmlinux"), "initrd.gz": keel.ramdisk()}


KEPT = {"linux-vmx": "bochs-vmx", "linux-svm": "qemu-tcg-svm"}
KEPT_SIZE = "600K"


def main():
    for name, platform in KEPT.items():
        conf, files = debian(f"com2,{KEPT_SIZE}")
        with Recorded(conf, files, megs=400, ips=50_000_000, **platforms.PLATFORMS[platform].machine()) as machine:
            machine.expect(r"exits recorded, no room for more", 600)
            length = int(machine.expect(r"(\d+) bytes", 10)[1])
            while len(machine.recording) < length:
                machine.receive(0.1)
            stream = bytes(machine.recording)
        path = keel.ROOT / "tests/recordings" / f"{name}.rec.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(stream, 9, mtime=0))
        print(f"{path}: {len(stream)} bytes, {path.stat().st_size} packed")


if __name__ == "__main__":
    main()
