/* Stand-ins on the host for what only the machine has: time, timers, the log, and a vendor whose registers
 * are arrays. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the ones above */

#include "hv/host/clock.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

/* Virtual time: clock_now() is fake_now, clock_hz() is fake_hz (10^9 unless a test says otherwise). */
extern uint64_t fake_now, fake_hz, fake_wall;

/* Moves time on to `when`, firing each timer at its own deadline, in order. */
void fake_run_until(uint64_t when);

/* The earliest armed deadline, or UINT64_MAX. */
uint64_t fake_next_deadline(void);

/* Whether the core that a timer fires on serves the vCPU that it is for. */
extern bool fake_at_home;

/* The page that vm_hide_page took away, plus 1, where hv/vm/vm.c is not linked. */
extern gpa_t fake_hidden;

/* Forgets time, timers and the log. */
void fake_reset(void);

/* Everything that log_line printed since fake_reset, one line each. */
extern char fake_log[16384];

/* A fake vendor: the registers of the one vCPU that a test makes. */
struct fake_cpu {
    uint64_t regs[REG_COUNT]; /* RSP and what follows RIP; the others are in vcpu->arch.gpr */
    struct segment segments[SEG_COUNT];
    bool interrupt_shadow;
    unsigned windows; /* bit 0: interrupt, bit 1: NMI */
    bool block_nmi;
    struct event injected;
    unsigned advances; /* calls of `advance` */
    unsigned flushes;  /* and of `flush` */
    bool watched;      /* what virt->watch_paging is called for */
    uint64_t dr[4];    /* as native_dr has them */
    unsigned debug;    /* what set_debug was last told */
    uint64_t msrs[2];  /* what get_msr knows: the number and the value of one */
};

extern struct fake_cpu fake_cpu;
extern const struct virt_ops fake_virt;

/* A vCPU in flat 64-bit mode at CPL 0 (or 16-, 32-bit: bits) with `vm` around it and the fake vendor under
 * it. */
void fake_vcpu_init(struct vm *vm, struct vcpu *vcpu, unsigned bits);

/* A bus's answer, where nobody counts exits. */
static inline bool bus_read(struct bus *bus, uint64_t address, unsigned size, uint64_t *value)
{
    uint32_t stat_at;

    return bus_read_exit(bus, address, size, value, &stat_at);
}

static inline bool bus_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    uint32_t stat_at;

    return bus_write_exit(bus, address, size, value, &stat_at);
}
