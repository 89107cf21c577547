#!/usr/bin/env python3
"""`dictionary.py`: an MSR's number, a bit of a control or debug register, of EFER, RFLAGS, DEBUGCTL or XCR0, a register of the APIC and its
bits stand once, in hv/x86/. Prints what does not, and exits 1 then."""
import collections
import re
import sys

import tree
from kept import code

PRODUCT = ("boot/", "hv/", "vmx/", "svm/", "devices/", "ept/")
FAMILY = re.compile(r"(CR[0348]|EFER|RFLAGS|DR[67]|DEBUGCTL|XCR0|APIC_BASE|SVR|LVT|ICR|ESR|EXC)_\w+$")
DEFINITION = re.compile(r"^\s*#define +(\w+)(?:\([^)]*\))? +(.+)$|^\s*(\w+) = ([^,\n]+),|^\s*(\w+) equ (.+)$|^\s*%define +(\w+) +(.+)$", re.MULTILINE)
NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|\d+)", re.IGNORECASE)
DISTINCT = 0xc0000080  # from here on an MSR's number is hardly anything else's
RANGES = {0xC0010000}  # but for where a range of them begins


def definitions(text):
    """(name, value as text, line) of macros, enumerators, and NASM's constants."""
    text = code(text).replace("\\\n", "  ")
    for found in DEFINITION.finditer(text):
        name, value = [part for part in found.groups() if part]
        yield name, value.strip(), text.count("\n", 0, found.start()) + 1


def family(name):
    return FAMILY.match(name)[1] if FAMILY.match(name) else None


def twice(dictionary):
    """Names of one family, or MSRs, with one value."""
    names = collections.defaultdict(list)
    for name, (kind, value) in dictionary.items():
        if kind and NUMBER.search(value):
            names[kind, value].append(name)
    for (kind, value), same in names.items():
        if len(same) > 1:
            yield f"hv/x86: {' and '.join(same)} are both {value}"


def main():
    files = {name: text for name, text in tree.texts().items() if name.startswith(PRODUCT) and name.endswith((".c", ".h", ".asm", ".inc", ".nasm"))}
    dictionary, numbers, found = {}, {}, []
    for name, text in files.items():
        for word, value, line in definitions(text) if name.startswith("hv/x86/") else ():
            if word in dictionary:
                found.append(f"{name}:{line}: {word} is defined twice")
            msr = name == "hv/x86/x86.h" and re.match(r"0x[0-9a-f]+$", value) and not family(word)
            register = name == "hv/x86/apic.h" and re.match(r"APIC_\w+$", word) and value.startswith("0x")
            dictionary[word] = ("MSR" if msr else "APIC register" if register else family(word), value)
            if msr and int(value, 16) >= DISTINCT:
                numbers[int(value, 16)] = word
    numbers = {number: word for number, word in numbers.items() if number not in RANGES}
    found += twice(dictionary)
    for name, text in files.items():
        if name.startswith("hv/x86/"):
            continue
        for word, value, line in definitions(text):
            if (word in dictionary and dictionary[word][0]) or (family(word) and NUMBER.search(value)):
                found.append(f"{name}:{line}: {word} is defined here: hv/x86/ is where the manuals' numbers stand")
        for line, words in enumerate(code(text).splitlines(), 1):
            if re.search(r"\b(?:rd|wr)msr(?:_safe)?\((?:0x|\d)", words):
                found.append(f"{name}:{line}: an MSR by its number: hv/x86/x86.h has its name")
            found += [f"{name}:{line}: {number} is {numbers[int(number, 16)]} of hv/x86/x86.h" for number in re.findall(r"\b0x[0-9a-f]+\b", words) if int(number, 16) in numbers]
    for line in sorted(set(found)):
        print(line)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
