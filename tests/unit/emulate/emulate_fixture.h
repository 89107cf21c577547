/* What tests of the emulator expect of one instruction. */
#pragma once

#include "tests/unit/guest.h"

#include <string.h>

#include "hv/emulate/emulate.h"

#define CODE    0x1000
#define P_RW    3 /* present, writable */
#define P_RW_US 7

static uint64_t *const regs = fake_cpu.regs;

static inline uint64_t *gpr(void)
{
    return guest.vcpu.arch.gpr;
}

/* RF stands behind what is to go on at the same place, never where another instruction begins. */
static inline void expect_done(gpa_t gpa)
{
    uint64_t rip = regs[REG_RIP];

    guest.raised = false;
    if (emulate(&guest.vcpu, gpa) != EMULATE_DONE)
        fail_msg("not done: vector %u, error %x, address %lx", guest.fault.vector, guest.fault.error,
                 guest.fault.address);
    assert_false(guest.raised);
    assert_false(regs[REG_RIP] != rip && regs[REG_RFLAGS] & RFLAGS_RF);
}

static inline void expect_fault(gpa_t gpa, unsigned vector, uint32_t error)
{
    uint64_t rip = regs[REG_RIP];

    guest.raised = false;
    assert_int_equal(emulate(&guest.vcpu, gpa), EMULATE_FAULT);
    assert_true(guest.raised);
    assert_int_equal(guest.fault.vector, vector);
    assert_int_equal(guest.fault.error, error);
    assert_int_equal(regs[REG_RIP], rip);
}

static inline void expect_access(unsigned index, bool write, uint64_t address, unsigned size, uint64_t value)
{
    assert_true(index < guest.access_count);
    assert_int_equal(guest.accesses[index].write, write);
    assert_int_equal(guest.accesses[index].address, address);
    assert_int_equal(guest.accesses[index].size, size);
    assert_int_equal(guest.accesses[index].value, value);
}

/*
 * 32-bit paging by one page table for the first 4 MiB, identity but for what a test changes: its entries lie
 * at 0x11000. MMIO is at 0x300000 and 0x301000.
 */
static inline void page_everything(void)
{
    guest_poke(0x10000, 4, 0x11000 | P_RW_US);
    for (unsigned i = 0; i < GUEST_RAM >> 12; i++)
        guest_poke(0x11000 + 4 * i, 4, i << 12 | P_RW_US);
    guest_poke(0x11000 + 4 * 0x300, 4, GUEST_MMIO | P_RW_US);
    guest_poke(0x11000 + 4 * 0x301, 4, (GUEST_MMIO + 0x1000) | P_RW_US);
    regs[REG_CR3] = 0x10000;
    regs[REG_CR0] |= CR0_PG | CR0_WP;
}

/* A GDT at 0x3000. */
static inline void make_gdt(const uint64_t *descriptors, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        guest_poke(0x3000 + 8 * i, 8, descriptors[i]);
    fake_cpu.segments[SEG_GDTR] = (struct segment){.base = 0x3000, .limit = 8 * count - 1};
}
