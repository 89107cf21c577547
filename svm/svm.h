/* The hardware half of SVM: what its files share. */
#pragma once

#include "hv/cpu/native.h"
#include "hv/host/cpu.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"
#include "svm/features.h"
#include "svm/vmcb.h"

/*
 * Whether the guest serves an NMI: without virtual NMIs software has to know (APM, "NMI Support"). With them
 * it is VMCB_V_NMI_MASK, and this stays NMI_OPEN.
 */
enum svm_nmi {
    NMI_OPEN,
    NMI_BLOCKED,   /* one was injected: IRET is intercepted */
    NMI_RETURNING, /* its IRET, at iret_rip, is about to run */
};

/* A vCPU's SVM state. */
struct svm_vcpu {
    union vmcb vmcb;  /* entry.asm knows these three */
    hpa_t physical;   /* of the VMCB */
    hpa_t host_state; /* what VMLOAD brings back on the core that runs the vCPU */
    uint64_t cr4;     /* as the guest sees it */
    int core;         /* that the VMCB ran on last; -1: none yet */
    enum svm_nmi nmi;
    uint64_t iret_rip;
    bool stepping;       /* RFLAGS.TF is set for Keel */
    bool guest_tf;       /* and this is the guest's own */
    uint64_t shadow_rip; /* svm/quirks.c: where the guest was in one, plus 1; 0: nowhere */
};

/* What an emulator gets wrong: svm/quirks.h. */
struct svm_quirks {
    bool loses_dr6;      /* the VMCB's DR6 is without the cause of an intercepted #DB */
    bool forgets_shadow; /* VMRUN does not heed the VMCB's interrupt shadow */
    bool misses_window;  /* nor a virtual interrupt whose window is open already */
    bool loses_cr2;      /* nor the VMCB's CR2 */
};

/* What CPUID Fn8000_000A says. */
struct svm_capabilities {
    uint32_t asids, features;
    uint8_t revision, physical_bits;
    bool pages_1g;
    struct svm_quirks quirks;
};
extern struct svm_capabilities svm_cpu;
extern struct native_policy svm_native;

static inline bool svm_has(enum svm_feature feature)
{
    return svm_cpu.features >> feature & 1;
}

static inline struct svm_vcpu *svm_of(const struct vcpu *vcpu)
{
    return vcpu->arch.vendor;
}

static inline union vmcb *vmcb_of(const struct vcpu *vcpu)
{
    return &svm_of(vcpu)->vmcb;
}

/* Makes the CPU read these parts of the VMCB again: VMCB_CLEAN_*. */
static inline void vmcb_changed(union vmcb *vmcb, uint32_t parts)
{
    vmcb->clean &= ~parts;
}

/* Turns the intercept with this exit code on or off. */
static inline void svm_intercept(union vmcb *vmcb, unsigned code, bool on)
{
    uint8_t *byte = &vmcb->bytes[code / 8], bit = (uint8_t)(1 << code % 8);

    *byte = on ? *byte | bit : *byte & (uint8_t)~bit;
    vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
}

/* exits.c: handles the exit that has just happened. Called from entry.asm. */
void svm_handle_exit(struct vcpu *vcpu);

/* exits.c: virt->watch_paging. Every write of CR4 exits. */
void svm_watch_paging(struct vcpu *vcpu);

/* exits.c: tells hv/vm/exit_stat.h of the exit codes, once. */
void svm_name_exits(void);

/* exits.c: sets the intercepts of everything that the exit table serves. */
void svm_set_intercepts(union vmcb *vmcb);
void svm_set_debug(struct vcpu *vcpu, unsigned what);

/* entry.asm: enters the guest, again after each exit, until svm_leave is called, which does not return. */
void svm_enter(struct vcpu *vcpu);
void svm_leave(struct vcpu *vcpu);

/* vcpu.c: the vendor table's rows about one vCPU. */
bool svm_make_maps(void); /* of MSRs and ports, for all vCPUs, once, at preflight; false: no memory, said */
bool svm_vcpu_create(struct vcpu *vcpu);
void svm_vcpu_destroy(struct vcpu *vcpu);
void svm_vcpu_reset(struct vcpu *vcpu);
void svm_vcpu_load(struct vcpu *vcpu);
void svm_vcpu_put(struct vcpu *vcpu);
void svm_run(struct vcpu *vcpu);
void svm_flush(struct vcpu *vcpu);

/* registers.c */
uint64_t svm_get(struct vcpu *vcpu, enum vcpu_reg reg);
void svm_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void svm_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value);
void svm_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);
void svm_get_code(struct vcpu *vcpu, struct code_state *code);
unsigned svm_get_bytes(struct vcpu *vcpu, uint8_t bytes[15]);
bool svm_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool svm_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void svm_advance(struct vcpu *vcpu, unsigned length);
void svm_end_instruction(struct vcpu *vcpu);

#define VMCB_LONG_CODE BIT(9) /* CS.L, as the VMCB packs attributes */

/* RIP is here now, of which 32 bits count outside 64-bit code. */
static inline void svm_move_to(union vmcb *vmcb, uint64_t rip)
{
    if (unlikely((vmcb->rip ^ rip) >> 32) && !(vmcb->cs.attributes & VMCB_LONG_CODE))
        rip = (uint32_t)rip;
    vmcb->rip = rip;
}

/* virt->advance, to `rip`. A shadow, RFLAGS.RF and debug traps are rare. */
static inline void svm_advance_to(struct vcpu *vcpu, union vmcb *vmcb, uint64_t rip)
{
    svm_move_to(vmcb, rip);
    if (unlikely(vmcb->interrupt_shadow & VMCB_SHADOW) || unlikely(vmcb->rflags & (RFLAGS_TF | RFLAGS_RF)))
        svm_end_instruction(vcpu);
}

/* details.c: the latest exit, for those who observe. */
void svm_details(struct vcpu *vcpu, struct exit_details *details);

/* events.c */
bool svm_interrupt_allowed(struct vcpu *vcpu);
bool svm_nmi_allowed(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu, const struct event *event);
void svm_set_windows(struct vcpu *vcpu, bool interrupt, bool nmi);

/* events.c: an event whose delivery this exit cut short goes in again with the next VMRUN. */
void svm_take_back_delivery(struct vcpu *vcpu);

/* events.c: takes back the single step that svm_set_windows asked for. Returns whether this exit is its end
 * only. */
bool svm_stop_stepping(struct vcpu *vcpu);

/* events.c: the guest serves no NMI any more. */
void svm_unblock_nmi(struct vcpu *vcpu);

/* events.c: the guest halts: an NMI that the VMCB holds would not wake it there. */
void svm_take_back_nmi(struct vcpu *vcpu);

/* events.c: IRET is about to run: the NMI is served when it has. */
void svm_begin_iret(struct vcpu *vcpu);
