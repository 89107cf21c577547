"""
The tests of the whole system: functions that register themselves here, run side by side, one line each.

A test is a function that returns if all is well and raises otherwise. It is of one platform (platforms.py), or stands once
for each of several.
"""
import concurrent.futures
import fnmatch
import json
import time
import traceback

import keel
import platforms

# Name: function without arguments; and what it is in the table of platform by test.
TESTS = {}
PLACES = {}


# The longest begin first, so that no job is left with one at the end. Seconds that they took here, by run(); until they have run here,
# those that took long elsewhere, the first row that fits.
TOOK = keel.BUILD / "durations.json"
LONG = [("linux/bzimage", 95), ("linux/beside native", 80), ("linux/vmlinux", 70), ("linux/4 vcpus/*", 65), ("many/debian*bochs*", 65),
        ("gdb/debian*", 60), ("settings/all_off = reboot", 50), ("linux/*", 45), ("life/*", 25), ("many/*", 25), ("uefi/*", 20), ("smp/*", 15),
        ("apic/*", 15), ("machine/*", 10), ("input/*", 10)]


def durations():
    try:
        return json.loads(TOOK.read_text())
    except (OSError, ValueError):
        return {}


def expected(name, took):
    return took.get(name) or next((seconds for pattern, seconds in LONG if fnmatch.fnmatch(name, pattern)), 5)


def test(name, platform=None, row=None):
    """Registers a function under a name: words with slashes, from the general to the particular."""

    def register(function):
        if name in TESTS:
            raise ValueError(f"two tests are named {name}")
        TESTS[name], PLACES[name] = function, (row or name, platform or platforms.home(name))
        return function

    return register


def each(prefix, rows):
    """Registers a function once for every row of a table: its first field is the name, the others are arguments."""

    def register(function):
        for name, *arguments in rows:
            test(f"{prefix}/{name}")(lambda arguments=tuple(arguments): function(*arguments))
        return function

    return register


def on_each(prefix, rows, names=tuple(platforms.PLATFORMS)):
    """Like each(), and on every platform: its Platform is the function's first argument."""

    def register(function):
        for platform in names:
            for name, *arguments in rows:
                call = (platforms.PLATFORMS[platform], *arguments)
                test(f"{prefix}/{name} on {platform}", platform, f"{prefix}/{name}")(lambda call=call: function(*call))
        return function

    return register


def run_one(name):
    """Returns the seconds it took, and what went wrong or None."""
    begin = time.monotonic()
    try:
        TESTS[name]()
        problem = None
    except (AssertionError, RuntimeError) as error:
        problem = str(error)
    except Exception:
        problem = traceback.format_exc()
    return time.monotonic() - begin, problem


def table(results, reasons):
    """
    Platform by test as text: `results` {name: word} of those that ran, `reasons` {name: why} of those left out. What
    the caller's patterns do not fit is a dash.
    """
    cells = {PLACES[name]: word for name, word in results.items()}
    cells |= {PLACES[name]: why for name, why in reasons.items()}
    rows, notes = list(dict.fromkeys(row for row, _ in cells)), []
    chosen_away = {place: "-" for place in PLACES.values()}
    cells = chosen_away | cells
    lines = ["", f"{'platform by test':40}" + "".join(f"{name:>14}" for name in platforms.PLATFORMS)]
    for row in rows:
        line = f"{row:40}"
        for name in platforms.PLATFORMS:
            word = cells.get((row, name)) or platforms.skipped(row, name)
            if word not in ("ok", "FAILED", "-"):
                notes += [] if word in notes else [word]
                word = f"({notes.index(word) + 1})"
            line += f"{word:>14}"
        lines.append(line)
    return "\n".join(lines + [f"({number}) {note}" for number, note in enumerate(notes, 1)] + [""])


def run(patterns, jobs):
    """
    Runs the tests whose names a pattern fits (a part of the name, or a wildcard); without patterns all but those of long/.
    Returns how many passed and failed.
    """
    names = [name for name in TESTS if any(part in name or fnmatch.fnmatch(name, part) for part in patterns)
             or not (patterns or name.startswith("long/"))]
    reasons = {name: why for name in names if (why := platforms.excluded(*PLACES[name]))}
    took = durations()
    names = sorted((name for name in names if name not in reasons), key=lambda name: -expected(name, took))
    failed = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_one, name): name for name in names}
        for future in concurrent.futures.as_completed(running):
            name = running[future]
            seconds, problem = future.result()
            print(f"{'FAILED' if problem else 'ok':6} {name:44} {seconds:6.1f} s", flush=True)
            if problem:
                failed[name] = problem
            else:
                took[name] = round(seconds, 1)
    TOOK.write_text(json.dumps(took, indent=1))
    for name, problem in failed.items():
        print(f"\n{name}:\n{problem}")
    print(table({name: "FAILED" if name in failed else "ok" for name in names}, reasons))
    return len(names) - len(failed), len(failed)
