/* A VM of three vCPUs for tests of the core, over a vendor and an interrupt controller that note what they
 * are asked. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "tests/unit/fake.h"

#define CORE_VCPUS    3
#define CORE_RAM      KIB(640)
#define CORE_HIGH_RAM KIB(64) /* from 4 GiB on */

struct core {
    struct vm vm;
    struct vcpu vcpus[CORE_VCPUS];
    struct vcpu *vcpu; /* the first */
    uint8_t *ram, *high_ram;

    /* The interrupt controller: what is pending, what acknowledge answers. */
    int pending, vector;
    unsigned acknowledged, tpr, controller_resets, tsc_changes, resumptions;
    bool init; /* the latest controller reset was by INIT */

    /* The vendor. */
    unsigned vcpu_resets, flushes, injections;
    uint64_t vendor_msr[16]; /* by the low 4 bits of its number */
    uint32_t latest_msr;
    struct {
        gpa_t page;
        bool present;
    } pages[8];
    unsigned page_count;
    bool pages_refused;
};

extern struct core core;

/* A new VM in 64-bit mode (or 32, 16: bits); for cmocka, core_setup is the one of 64. */
void core_begin(unsigned bits);
int core_setup(void **state);
int core_teardown(void **state);

/* Privilege: 0 to 3. */
void core_set_cpl(unsigned cpl);

/* The event on its way into the first vCPU is an exception with this vector. */
void core_expect_exception(unsigned vector);
