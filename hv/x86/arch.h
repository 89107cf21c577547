/* What struct vcpu and struct vm hold of their architecture: all that another one would have otherwise. */
#pragma once

#include "hv/lib/base.h"
#include "hv/x86/apic.h"
#include "hv/x86/debug.h"
#include "hv/x86/interrupts.h"
#include "hv/x86/pc.h"
#include "hv/x86/registers.h"

/* Guest-physical addresses where no VM has RAM, and devices are. */
#define DEVICES_FIRST PC_PCI_HOLE
#define DEVICES_END   GIB(4)

struct decode_cache;
struct cpuid_table;
struct msr_state;

/* The architecture's bits of vcpu->requests: hv/vm/vcpu.h has the others. */
#define REQUEST_NMI      BIT(1)
#define REQUEST_INIT     BIT(3)
#define REQUEST_SIPI     BIT(4) /* its vector is in sipi_vector */
#define REQUEST_NMI_TOO  BIT(9) /* with REQUEST_NMI: a second one */

/* State that stays in the CPU while the vCPU is loaded: hv/cpu/native.h moves it. */
#define NATIVE_MSRS_MOST 8

struct native_state {
    uint8_t *xsave;
    uint64_t dr[4];
    uint64_t xss;
    uint64_t msrs[NATIVE_MSRS_MOST];
};

struct vcpu_arch {
    uint64_t gpr[16];     /* RSP's slot is not used: vcpu_get(REG_RSP) */
    uint64_t host_stack;  /* Keel's own, while the guest runs: the vendor's world switch keeps it here */
    void *vendor;         /* the vendor's own state */
    uint64_t vendor_word; /* and a word of it that each exit needs at hand */
    struct event event;   /* to inject at the next entry */
    /*
     * What was decoded is forgotten before it is used again. A remembered instruction is compared at each use
     * with RIP, CR3, CS, the guest's paging structures and its own bytes; where what else decides how code is
     * read changes, this is set: CR0.PG, CR4.PAE, PSE and LA57 (of which virt->run.watch_paging says when),
     * EFER.LMA, EFER.NXE, RESET. SMEP and the rights of CPL need it not: that the code may be executed, the
     * CPU has found before it left the guest.
     */
    bool code_changed;
    uint8_t nmis; /* that wait: at most 2, as silicon latches one while another is served */
    uint8_t sipi_vector;
    struct decode_cache *decode_cache;
    struct interrupt_controller interrupts;
    struct virtual_apic apic;
    struct cpuid_table *cpuid;
    struct msr_state *msrs;
    uint64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
    uint64_t xcr0;
    uint64_t cr2, dr6;          /* where they stay in the CPU: while the vCPU is not loaded */
    struct native_state native; /* likewise */
    struct vcpu_debug debug;
};

struct vm_arch {
    uint64_t vendor[2]; /* the vendor's own state */
};
