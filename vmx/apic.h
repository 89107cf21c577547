/* APIC virtualization: which of it a vCPU uses, as data. */
#pragma once

#include "hv/x86/apic.h"
#include "vmx/controls.h"

/* The secondary controls of a vCPU: the two ways to reach an APIC exclude each other. */
uint32_t vmx_apic_secondary(const struct vmx_controls *words, bool x2apic);

/* The x2APIC's registers that RDMSR and WRMSR reach without an exit in x2APIC mode, a bit for each number. */
struct x2apic_open {
    uint64_t read, write;
};
struct x2apic_open vmx_x2apic_open(const struct vmx_controls *words);

/* TPR threshold: the class of the vector that waits for TPR to fall below it; 0 if none does. */
uint32_t vmx_tpr_threshold(const uint32_t *registers);

/* Guest interrupt status: RVI and SVI, the highest vectors in IRR and ISR. */
uint32_t vmx_interrupt_status(const uint32_t *registers);

/* A word of the EOI-exit bitmap: vectors whose end concerns Keel, which are the levels. */
uint64_t vmx_eoi_exits(const uint32_t *registers, unsigned word);
