"""
The tests of the whole system: functions that register themselves here, run side by side, one line each.

A test is a function of no arguments that returns if all is well and raises otherwise.
"""
import concurrent.futures
import fnmatch
import time
import traceback

TESTS = {}


def test(name):
    """Registers a function under a name: words with slashes, from the general to the particular."""

    def register(function):
        if name in TESTS:
            raise ValueError(f"two tests are named {name}")
        TESTS[name] = function
        return function

    return register


def each(prefix, rows):
    """Registers a function once for every row of a table: its first field is the name, the others are arguments."""

    def register(function):
        for name, *arguments in rows:
            test(f"{prefix}/{name}")(lambda arguments=tuple(arguments): function(*arguments))
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


def run(patterns, jobs):
    """Runs the tests whose names a pattern fits (a part of the name, or a wildcard). Returns how many passed and failed."""
    names = [name for name in TESTS
             if not patterns or any(part in name or fnmatch.fnmatch(name, part) for part in patterns)]
    failed = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_one, name): name for name in names}
        for future in concurrent.futures.as_completed(running):
            name = running[future]
            seconds, problem = future.result()
            print(f"{'FAILED' if problem else 'ok':6} {name:44} {seconds:6.1f} s", flush=True)
            if problem:
                failed[name] = problem
    for name, problem in failed.items():
        print(f"\n{name}:\n{problem}")
    return len(names) - len(failed), len(failed)
