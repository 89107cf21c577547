#!/usr/bin/env python3
"""Finds the source line of a small guest's check by its number, in the listing that NASM wrote."""
import pathlib
import re
import sys


def source_of_check(listing, number):
    """The line of the guest's own source that check `number` came from, or "" if there is none."""
    source, count = "", 0
    for line in pathlib.Path(listing).read_text().splitlines():
        number_part, address, text = line[:6], line[7:15].strip(), line[40:]
        if "<" not in line[30:40] and text.strip():
            source = f"line {number_part.strip()}: {' '.join(text.split())}"
        elif address and text.split() in (["jmp", "failed"], ["call", "noted"]):
            count += 1
            if count == number:
                return source
    return ""


if __name__ == "__main__":
    print(source_of_check(sys.argv[1], int(sys.argv[2])))
