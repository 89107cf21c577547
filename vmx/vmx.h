/* The hardware half of VMX: what its files share. */
#pragma once

#include "hv/cpu/native.h"
#include "hv/host/cpu.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"
#include "vmx/capabilities.h"
#include "vmx/controls.h"
#include "vmx/fields.h"
#include "vmx/instructions.h"

/* A vCPU's VMX state. */
struct vmx_vcpu {
    hpa_t vmcs;
    bool launched;
    uint16_t vpid;
    int core;                /* whose host state is in the VMCS; -1: none yet */
    bool watches_paging;     /* the masks of CR0 and CR4 have more than what Keel owns for good */
    bool x2apic;             /* which controls and MSR bitmap are in the VMCS */
    uint32_t hidden;         /* secondary controls whose instructions CPUID hides */
    uint64_t cr4_allowed;    /* bits that the guest may set */
    uint32_t primary, entry; /* control words as they are in the VMCS */
    uint64_t eoi_exits[4];   /* likewise */
};

/* An endless #DB or #AC delivery would keep the core from ever leaving the guest; #MC is the machine's. */
#define VMX_EXCEPTIONS (BIT(EXC_DB) | BIT(EXC_AC) | BIT(EXC_MC))

extern struct vmx_capabilities vmx_cpu;
extern struct native_policy vmx_native;
extern struct vmx_controls vmx_words; /* as every VMCS gets them */

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
    return vcpu->arch.vendor;
}

#define BLOCKING_BY_STI_OR_MOV_SS 3

/*
 * registers.c: what an instruction seldom leaves: RIP where its lower half overflowed; a shadow that ends,
 * RFLAGS.RF, and debug traps.
 */
uint64_t vmx_wrapped(uint64_t rip);
void vmx_end_instruction(struct vcpu *vcpu);

/* registers.c: debug traps that came with an exit behind an instruction that the CPU has completed. */
void vmx_trap_pending(struct vcpu *vcpu);

/* registers.c: what the CPU clears in IA32_DEBUGCTL as it delivers #DB, which an exit and an injection do
 * not. */
void vmx_begin_debug(void);

/* virt->advance. RIP is vcpu->arch.rip from each exit to the next entry. */
static inline void vmx_move_on(struct vcpu *vcpu, uint32_t length)
{
    uint64_t rip = vcpu->arch.rip + length;

    if (unlikely((uint32_t)rip < length))
        rip = vmx_wrapped(rip);
    vcpu->arch.rip = rip;
    vmwrite(VMCS_GUEST_RIP, rip);
    if (unlikely(vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_BY_STI_OR_MOV_SS) ||
        unlikely(vmread(VMCS_GUEST_RFLAGS) & (RFLAGS_TF | RFLAGS_RF)))
        vmx_end_instruction(vcpu);
}

/* A reader over the current VMCS, for explanations and dumps. */
extern const struct vmcs_reader vmx_current;

/* exits.c: handles the exit that has just happened. Called from entry.asm. */
void vmx_handle_exit(struct vcpu *vcpu);

/* exits.c: tells hv/vm/exit_stat.h of the reasons, once. */
void vmx_name_exits(void);

/* details.c: the latest exit, for those who observe. */
void vmx_details(struct vcpu *vcpu, struct exit_details *details);

/* exits.c: VMLAUNCH or VMRESUME itself failed: ends the VM with the reason in words. Called from entry.asm.
 */
void vmx_entry_failed(struct vcpu *vcpu);

/* entry.asm: enters the guest, again after each exit, until vmx_leave is called, which does not return. */
void vmx_enter(struct vcpu *vcpu, bool launched);
void vmx_leave(struct vcpu *vcpu);

/* Where VM exits continue. */
extern const char vmx_exit[];

/* vmx.c: the EPT pointer of a VM. */
uint64_t vmx_eptp(const struct vm *vm);

/* vmx.c: forgets what the CPU cached of the VM's EPT. */
void vmx_flush(struct vcpu *vcpu);

/* vmx.c: what the controls in use let a guest see. */
void vmx_limits(struct cpuid_limits *limits);

/* vcpu.c: the vendor table's rows about one vCPU. */
bool vmx_make_msr_bitmaps(void); /* for all vCPUs, once, at preflight; false: no memory, said */
bool vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
void vmx_vcpu_reset(struct vcpu *vcpu);
void vmx_vcpu_load(struct vcpu *vcpu);
void vmx_vcpu_put(struct vcpu *vcpu);
void vmx_run(struct vcpu *vcpu);
void vmx_update_apic(struct vcpu *vcpu);

/* registers.c */
uint64_t vmx_get(struct vcpu *vcpu, enum vcpu_reg reg);
void vmx_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void vmx_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value);
void vmx_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);
void vmx_get_code(struct vcpu *vcpu, struct code_state *code);
bool vmx_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vmx_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void vmx_advance(struct vcpu *vcpu, unsigned length);

/* cr.c: guest writes of CR0 and CR4 bits that Keel owns. */
void vmx_cr_reset(void);
void vmx_handle_cr_access(struct vcpu *vcpu);
void vmx_watch_paging(struct vcpu *vcpu);
uint64_t vmx_cr0_owned(void);
uint64_t vmx_cr4_owned(const struct vcpu *vcpu);

/* The bits of CR4 that a guest may set by its CPUID: for its vcpu_create. */
uint64_t vmx_cr4_allowed(struct vcpu *vcpu);
uint64_t vmx_cr0_real(uint64_t guest);
uint64_t vmx_cr4_real(uint64_t guest);
