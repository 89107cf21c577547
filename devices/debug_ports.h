/*
 * Ports that software writes to without a device behind them: POST codes and delays, the debug console, the
 * debug-exit port, and the coprocessor error port. Nothing here hangs on anything else, so nothing takes a
 * lock.
 */
#pragma once

#include "hv/vm/board.h"
#include "hv/vm/vm.h"

struct debug_ports {
    struct device post;  /* 0x80-0x8F: POST code, and the DMA page registers around it: bytes that hold */
    struct device delay; /* 0xEB, 0xED: what firmware and kernels write to in order to wait */
    struct device
        fpu; /* 0xF0, 0xF1: coprocessor error; an error comes as #MF here, so these have no effect */
    struct device console; /* 0xE9: reads as 0xE9, writes are characters */
    struct device exit;    /* 0xF4-0xF7: a value v written at 0xF4 ends the VM with status v << 1 | 1 */
    struct vm *vm;
    struct serial_backend backend;
    uint8_t latch[16];
};

/* Characters written to 0xE9 go to `backend`; its `put` may be NULL. */
void debug_ports_init(struct debug_ports *ports, struct vm *vm, const struct serial_backend *backend);
