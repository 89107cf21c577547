"""
An emulated PC whose first serial port is in the test's hands, in Bochs or QEMU; platforms.py has what to start it with.

Both start without a display and connect their serial port to a socket that listens before they start.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time

# Bochs builds its speaker on the host's sound system and dies where there is none, so it goes without one.
BOCHSRC = """
megs: {megs}
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs={ignore_bad_msrs}
clock: sync=none, time0=1700000000
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.stdvga.bin
ata0-master: type=disk, path="{image}", mode=flat
boot: disk
{serials}
plugin_ctrl: speaker=0, busmouse=0, gameport=0, parallel=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
port_e9_hack: enabled={debug_console}
display_library: rfb, options="timeout=0"
log: {log}
panic: action=fatal, {cpu_panics}
error: action=report
info: action=report
"""

# With cpu_panics="report" Bochs's debugger stops at each triple fault: how many it goes on from.
CONTINUES = 2000

# Bytes that a report looks at: Bochs' log grows to many megabytes.
REPORTED = 1 << 14

# Whoever kills a test from outside leaves no emulator behind.
ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


# Where Bochs looks for a port for its display, 5900 and up, it lets others have the same one until it listens there, and ends if
# they were faster. So one at a time looks.
DISPLAYS = pathlib.Path(tempfile.gettempdir()) / f"keel-bochs-{os.getuid()}.lock"


def listens(process):
    """Whether the process listens at some TCP port of its own."""
    with contextlib.suppress(OSError):
        rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A"}
        folder = pathlib.Path(f"/proc/{process.pid}/fd")
        return any(os.readlink(file) in listening for file in folder.iterdir())
    return False


class Failure(RuntimeError):
    """A machine that did not do what was expected of it, with what it said last."""


class Machine:
    """
    A machine made and not yet started. `log` is all that the serial port said since the start.

    kind   bochs | qemu
    cpus   emulated processors; all of Bochs's run in one thread of the host, so its speed is divided by them
    model  the emulator's name for its CPU model
    megs   memory in MiB
    accelerator  QEMU: tcg or kvm
    uart   QEMU: options that connect the chardev com1, COM1's unless they say otherwise
    cpu_panics  Bochs: fatal | report. What Bochs does when its processor panics: it ends, or says so and goes on
    debugger  Bochs: its debugger's input and output are process.stdin and process.stdout
    breakpoint  Bochs: a linear address where its debugger stops
    serials  how many serial ports it has; `serial` is the first of `ports`
    ips    Bochs: how many instructions make a second of the machine's time. A high figure makes what waits long
    """

    def __init__(self, kind="bochs", cpus=1, model=None, megs=256, ips=50_000_000, limit=None, ignore_bad_msrs=False,
                 debugger=False, breakpoint=None, options=(), accelerator="tcg", cpu_panics="fatal",
                 uart=("-serial", "chardev:com1"), serials=1):
        self.kind, self.cpus, self.megs, self.ips, self.limit = kind, cpus, megs, ips, limit
        self.model = model or {"bochs": "corei7_skylake_x", "qemu": "max"}[kind]
        self.ignore_bad_msrs = ignore_bad_msrs
        self.debugger, self.accelerator, self.cpu_panics = debugger, accelerator, cpu_panics
        self.breakpoint = breakpoint
        self.uart, self.options, self.serials, self.ports = uart, list(options), serials, []
        self.log = ""
        self.seen = 0
        self.process = self.serial = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keel-machine-"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # Starting and ending

    def start(self, image=None):
        """Boots the disk image (QEMU may have been given a kernel in `options` instead)."""
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(self.serials)]
        numbers = [listener.getsockname()[1] for listener in listeners]
        command = self.bochs_command(image, numbers) if self.kind == "bochs" else self.qemu_command(image, numbers)
        with open(DISPLAYS, "ab") as displays:
            if self.kind == "bochs":
                fcntl.flock(displays, fcntl.LOCK_EX)
            self.spawn(command, listeners)
        self.serial = self.ports[0]
        self.serial.setblocking(False)
        self.started = time.monotonic()
        return self

    def spawn(self, command, listeners):
        """Starts the emulator; returns when its serial ports are connected and Bochs has its display."""
        with open(self.folder / "output.txt", "wb") as output:
            streams = (subprocess.PIPE, subprocess.PIPE) if self.debugger else (subprocess.DEVNULL, output)
            self.process = subprocess.Popen([*ENDS_WITH_US, *command], stdin=streams[0], stdout=streams[1],
                                            stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)
        try:
            for listener in listeners:
                listener.settimeout(30)
                self.ports.append(listener.accept()[0])
                self.ports[-1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            raise Failure(self.report("the emulator did not start")) from None
        finally:
            for listener in listeners:
                listener.close()
        deadline = time.monotonic() + 30
        while self.kind == "bochs" and self.process.poll() is None and not listens(self.process) and time.monotonic() < deadline:
            time.sleep(0.01)

    def bochs_command(self, image, numbers):
        # Bochs locks its disks and leaves the locks behind; every machine has the image under a name of its own.
        own = self.folder / "disk.img"
        os.symlink(pathlib.Path(image).resolve(), own)
        (self.folder / "bochsrc").write_text(BOCHSRC.format(
            megs=self.megs, model=self.model, cpus=self.cpus, ips=self.ips, image=own, debug_console=0,
            serials="\n".join(f"com{index}: enabled=1, mode=socket-client, dev=127.0.0.1:{number}"
                              for index, number in enumerate(numbers, 1)), ignore_bad_msrs=int(self.ignore_bad_msrs),
            cpu_panics=", ".join(f"cpu{number}={self.cpu_panics}" for number in range(self.cpus)), log=self.folder / "bochs.log"))
        stop = f"lb {self.breakpoint:#x}\n" if self.breakpoint else ""
        (self.folder / "commands").write_text(stop + "c\n" * (CONTINUES if self.cpu_panics == "report" else 1))
        bound = ["-benchmark", str(self.limit)] if self.limit else []
        return ["bochs", "-q", *bound, *self.options, "-f", "bochsrc", "-rc", "commands"]

    def qemu_command(self, image, numbers):
        disk = ["-drive", f"file={pathlib.Path(image).resolve()},format=raw,snapshot=on"] if image else []
        return ["qemu-system-x86_64", "-accel", self.accelerator, "-cpu", self.model, "-smp", str(self.cpus), "-m", str(self.megs),
                "-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                *[argument for index, number in enumerate(numbers, 1)
                  for argument in ("-chardev", f"socket,id=com{index},host=127.0.0.1,port={number},nodelay=on",
                                   *(self.uart if index == 1 else ("-serial", f"chardev:com{index}")))],
                *disk, *self.options]

    def stop(self):
        """Ends the machine if it still runs, and removes its files."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for port in self.ports:
            port.close()
        self.serial, self.ports = None, []
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, timeout=60):
        """Waits until the machine has ended by itself; returns the emulator's exit status."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise Failure(self.report(f"still running after {timeout} s"))
            self.receive(0.05)
        while self.receive(0):
            pass
        return self.process.returncode

    # The serial port

    def receive(self, wait):
        """Takes what the serial port says within `wait` seconds. Returns False if there was nothing."""
        if not self.serial or not select.select([self.serial], [], [], wait)[0]:
            return False
        try:
            data = self.serial.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.serial.close()
            self.serial = None
        self.log += data.decode("latin-1")
        return bool(data)

    def expect(self, pattern, timeout=60):
        """
        Waits for the regular expression behind what earlier calls found, and returns the match. Fails when the time
        is over or the machine has ended.
        """
        compiled = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        while True:
            found = compiled.search(self.log, self.seen)
            if found:
                self.seen = found.end()
                return found
            if not self.receive(0.1) and self.process.poll() is not None and not self.receive(0):
                raise Failure(self.report(f"ended without saying: {pattern}"))
            if time.monotonic() > deadline:
                raise Failure(self.report(f"did not say within {timeout} s: {pattern}"))

    def send(self, text):
        """Types at the serial port."""
        self.serial.setblocking(True)
        self.serial.sendall(text.encode("latin-1"))
        self.serial.setblocking(False)

    def debugger_ready(self, wait):
        """Whether Bochs's debugger has said something, with debugger=True."""
        return bool(select.select([self.process.stdout], [], [], wait)[0])

    # What happened

    def emulator_log(self, last=None):
        """What the emulator itself said, or its `last` bytes."""
        path = self.folder / ("bochs.log" if self.kind == "bochs" else "output.txt")
        if not path.exists():
            return ""
        with open(path, "rb") as file:
            if last:
                file.seek(max(path.stat().st_size - last, 0))
            return file.read().decode(errors="replace")

    def ticks(self):
        """Bochs: instructions emulated until it ended."""
        stamps = re.findall(r"^(\d+)[a-z]\[", self.emulator_log(), re.MULTILINE)
        return int(stamps[-1]) if stamps else 0

    def report(self, what):
        """For a failure: what was wrong, and what was said last. Cheap, as most that are made are not needed."""
        def tail(text, lines):
            return "".join(f"    | {line}\n" for line in text.splitlines()[-lines:])

        return (f"{self.kind} {self.model}, {self.cpus} CPU(s): {what}\n"
                f"  serial port:\n{tail(self.log[-REPORTED:], 40)}  emulator:\n{tail(self.emulator_log(REPORTED), 12)}")
