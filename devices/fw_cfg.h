/*
 * QEMU's firmware configuration device, by its two ports: kernels that test a machine ask it how many
 * processors and how much memory there are. It has these numbers alone, and no files.
 */
#pragma once

#include "hv/vm/bus.h"

struct fw_cfg {
    struct device device; /* 0x510: a word selects an item; 0x511: its next byte */
    uint64_t memory;
    uint16_t processors, key;
    unsigned at;
};

void fw_cfg_init(struct fw_cfg *cfg, struct spinlock *lock, unsigned processors, uint64_t memory);
