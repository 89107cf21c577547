#!/usr/bin/env python3
"""Runs the whole-system tests: run.py [-j JOBS] [PATTERN]...; the last line is `N passed, N failed`."""
import argparse
import sys

import registry
import test_apic  # noqa: F401
import test_attackers  # noqa: F401
import test_console  # noqa: F401
import test_faults  # noqa: F401
import test_gdb  # noqa: F401
import test_guests  # noqa: F401
import test_input  # noqa: F401
import test_life  # noqa: F401
import test_linux  # noqa: F401
import test_machine  # noqa: F401
import test_many  # noqa: F401
import test_monitor  # noqa: F401
import test_native  # noqa: F401
import test_platforms  # noqa: F401
import test_settings  # noqa: F401
import test_record  # noqa: F401
import test_silence  # noqa: F401
import test_smp  # noqa: F401
import test_stats  # noqa: F401
import test_trace  # noqa: F401
import test_uefi  # noqa: F401


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=2, help="machines at a time")
    parser.add_argument("-l", "--list", action="store_true", help="only list the tests")
    parser.add_argument("patterns", nargs="*", help="a part of a test's name, or a wildcard")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(registry.TESTS))
        return
    passed, failed = registry.run(arguments.patterns, arguments.jobs)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed == 0)


if __name__ == "__main__":
    main()
