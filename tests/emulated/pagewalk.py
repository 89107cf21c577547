"""Reads a stopped machine's page tables through Bochs's debugger."""
import collections
import re
import signal
import time

Page = collections.namedtuple("Page", "address size writable executable user")

PROMPT = re.compile(r"<bochs:\d+> $")
PRESENT, WRITABLE, USER, LARGE, NO_EXECUTE = 1, 2, 4, 1 << 7, 1 << 63
FRAME = 0x000FFFFFFFFFF000


class Debugger:
    """The debugger of a Machine that was started with debugger=True."""

    def __init__(self, machine):
        self.machine = machine

    def stop(self):
        """Stops the machine where it is."""
        self.machine.process.send_signal(signal.SIGINT)
        self.answer()

    def answer(self, timeout=30):
        """What the debugger prints up to its prompt. The machine's serial port is read meanwhile, or it would wait."""
        deadline = time.monotonic() + timeout
        text = ""
        while not PROMPT.search(text):
            data = self.machine.process.stdout.read1(65536) if self.machine.debugger_ready(0.1) else b""
            text += data.decode("latin-1")
            self.machine.receive(0)
            if time.monotonic() > deadline:
                raise RuntimeError(f"Bochs's debugger does not answer:\n{text[-500:]}")
        return text

    def ask(self, command):
        self.machine.process.stdin.write(command.encode() + b"\n")
        self.machine.process.stdin.flush()
        return self.answer()

    def register(self, name):
        """rip or a control register."""
        command, pattern = ("r", r"rip: (\w+)_(\w+)") if name == "rip" else ("creg", rf"{name.upper()}=(0x)?(\w+)")
        found = re.search(pattern, self.ask(command))
        return int(found[1] + found[2], 16) if name == "rip" else int(found[2], 16)

    def step_until(self, condition):
        for _ in range(10000):
            if condition(self.register("rip")):
                return
            self.ask("s")
        raise RuntimeError("the machine is never where it was expected")

    def quadwords(self, address, count):
        """Physical memory."""
        text = self.ask(f"xp /{count}xg {address:#x}")
        values = []
        for line in text.splitlines():
            if "bogus" in line:
                values += [int(value, 16) for value in re.findall(r"0x([0-9a-f]+)", line.split(":", 1)[1])]
        return values


def walk(debugger):
    """Every page that CR3's tables map, with the rights of all levels together."""
    tables = [(debugger.register("cr3") & FRAME, 4, 0, True, True, True)]
    while tables:
        table, level, base, writable, executable, user = tables.pop()
        shift = 3 + 9 * level
        for index, entry in enumerate(debugger.quadwords(table, 512)):
            if not entry & PRESENT:
                continue
            address = base | index << shift
            if level == 4 and index >= 256:
                address |= 0xFFFF << 48
            rights = (writable and bool(entry & WRITABLE), executable and not entry & NO_EXECUTE,
                      user and bool(entry & USER))
            if level == 1 or entry & LARGE:
                yield Page(address, 1 << shift, *rights)
            else:
                tables.append((entry & FRAME, level - 1, address, *rights))
