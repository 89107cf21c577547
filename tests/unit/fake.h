/* What the stand-ins of tests/standins/ note and are told - time, timers, the log, requests -, and a vendor
 * whose registers are arrays. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the ones above */

#include "hv/cpu/cpuid.h"
#include "hv/cpu/virt_state.h"
#include "hv/host/clock.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

/* Virtual time: clock_now() is fake_now, clock_hz() is fake_hz (10^9 unless a test says otherwise); fake_held
 * is what clock_hold was last told. */
extern uint64_t fake_now, fake_hz, fake_wall, fake_held;

/* Armed timers, the earliest first. */
extern struct timer *fake_timers;

/* Moves time on to `when`, firing each timer at its own deadline, in order. */
void fake_run_until(uint64_t when);

/* The earliest armed deadline, or UINT64_MAX. */
uint64_t fake_next_deadline(void);

/* Whether the core that a timer fires on serves the vCPU that it is for. */
extern bool fake_at_home;

/* The page that vm_hide_page took away, plus 1. */
extern gpa_t fake_hidden;

/* Everything that log_line printed since fake_reset, one line each; reports too, where fake_report is NULL.
 */
extern char fake_log[16384];
extern struct writer *fake_report;

/* host_allocate and host_free. */
struct fake_memory {
    unsigned
        refused_at; /* the allocation, counted from 1 on, that gets nothing; 0: each gets what it wants */
    int blocks;     /* allocated and not freed */
    void *latest;   /* allocated */
};
extern struct fake_memory fake_memory;

#define FAKE_ROOT 0x5000 /* what paging_root answers */

/* What the code under test asked of others. */
struct fake_asked {
    uint64_t requests[VM_VCPUS_MOST]; /* of vcpu_request, _attend and _post, by vCPU */
    unsigned placed[VM_VCPUS_MOST];   /* calls of vcpu_place_apic */
    unsigned cpuid_changes;
    unsigned stops; /* of vm_stop; its latest arguments: */
    struct vm *stopped;
    enum vm_end end;
    unsigned status;
    unsigned kicks; /* interrupts sent to cores; the latest: */
    uint32_t kicked;
    uint8_t kicked_by;
    unsigned works; /* of work_post; its latest arguments: */
    unsigned work_for;
    struct work *work;
};
extern struct fake_asked fake_asked;

/* CPUID: the answer of each leaf, the feature that the VM's `cpuid` hides (NULL: none), what was asked last.
 */
struct fake_cpuid {
    struct cpuid_regs regs;
    const char *hides;
    uint32_t leaf, subleaf;
};
extern struct fake_cpuid fake_cpuid;

/* The features of the machine's processors, as cpu_has is asked for them; NULL: none. */
extern bool (*fake_has)(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);

/* Causes of a #DB that are a debugger's, not the guest's. */
extern uint64_t fake_debuggers;

/* Forgets time, timers, the log, and all that was asked. */
void fake_reset(void);

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
    bool watched;      /* what virt->run.watch_paging is called for */
    uint64_t dr[4];    /* as native_dr has them */
    unsigned debug;    /* what set_debug was last told */
    uint64_t msrs[2];  /* what get_msr knows: the number and the value of one */
};

extern struct fake_cpu fake_cpu;
extern const struct virt_ops fake_virt;
extern const struct virt_state fake_state;

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
