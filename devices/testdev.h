/*
 * The device that QEMU calls pc-testdev, for kernels that test the machine under them: a latch, interrupt
 * lines that software drives, memory that always traps, and a page that can be taken away until its next
 * access.
 */
#pragma once

#include "hv/vm/bus.h"
#include "hv/vm/irq.h"
#include "hv/vm/vm.h"

#define TESTDEV_LINES 24

struct testdev {
    struct device latch;  /* 0xE0-0xE3: one register of 32 bits */
    struct device flush;  /* 0xE4-0xE7: an address written takes its page away */
    struct device bytes;  /* 0xE8-0xEB: the same register, a byte at a time */
    struct device lines;  /* 0x2000-0x2017: a value other than 0 raises line n */
    struct device memory; /* 64 KiB at 0xFF000000 */
    struct irq_line irq[TESTDEV_LINES];
    struct vm *vm;
    uint8_t latched[4];
};

/* `vm->test_memory` has VM_TEST_MEMORY bytes. The caller connects `irq`. */
void testdev_init(struct testdev *dev, struct vm *vm);
