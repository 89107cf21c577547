/*
 * Handlers of exits that are the same whoever the vendor is: inlined into its exits.c, which includes this
 * and has what they stand on, so that they cost what they would if they stood there.
 */
#pragma once

#include "hv/emulate/emulate.h"
#include "hv/exit/exit.h"
#include "hv/exit/io.h"

/* The vendor's: the instruction that exited is done; likewise one that reads or writes a port. */
static inline void next_instruction(struct vcpu *vcpu);
static inline void next_after_io(struct vcpu *vcpu);

/* The vendor's: what the exit says of a port's access, for hv/exit/io.h; DR7 as the guest has it. */
static inline uint64_t io_qualification(struct vcpu *vcpu);
static inline uint64_t guest_dr7(struct vcpu *vcpu);

static inline void handle_cpuid(struct vcpu *vcpu)
{
    exit_cpuid(vcpu);
    next_instruction(vcpu);
}

static inline void handle_hlt(struct vcpu *vcpu)
{
    next_instruction(vcpu);
    exit_halt(vcpu);
}

static inline void handle_pause(struct vcpu *vcpu)
{
    exit_pause(vcpu);
    next_instruction(vcpu);
}

static inline void handle_hypercall(struct vcpu *vcpu)
{
    exit_hypercall(vcpu);
    next_instruction(vcpu);
}

/*
 * INVD and WBINVD: caches are the machine's and coherent with memory, so nothing need be written back and
 * nothing may be dropped.
 */
static inline void handle_cache(struct vcpu *vcpu)
{
    next_instruction(vcpu);
}

static inline void handle_rdmsr(struct vcpu *vcpu)
{
    if (exit_rdmsr(vcpu))
        next_instruction(vcpu);
}

static inline void handle_wrmsr(struct vcpu *vcpu)
{
    if (exit_wrmsr(vcpu))
        next_instruction(vcpu);
}

static inline void handle_xsetbv(struct vcpu *vcpu)
{
    if (exit_xsetbv(vcpu))
        next_instruction(vcpu);
}

/* MOV DR, which leaves the guest for a debugger alone. */
static inline void handle_mov_dr(struct vcpu *vcpu)
{
    exit_emulate(vcpu, EMULATE_NO_GPA);
}

static __attribute__((noinline, cold)) void trap_io(struct vcpu *vcpu, uint64_t dr7)
{
    uint64_t qualification = io_qualification(vcpu);

    exit_io_breakpoints(vcpu, dr7, io_port(qualification), io_size(qualification));
}

static inline void handle_io(struct vcpu *vcpu)
{
    uint64_t qualification = io_qualification(vcpu), dr7;
    uint16_t port = io_port(qualification);
    unsigned size = io_size(qualification);

    if (unlikely(io_is_string(qualification))) {
        exit_emulate(vcpu, EMULATE_NO_GPA);
        return;
    }
    if (io_reads(qualification))
        exit_in(vcpu, port, size);
    else
        exit_out(vcpu, port, size);
    next_after_io(vcpu);
    dr7 = guest_dr7(vcpu);
    if (unlikely(dr7 & DR7_ENABLED))
        trap_io(vcpu, dr7);
}

/* An access to what is no RAM. */
static inline __attribute__((always_inline)) void handle_access(struct vcpu *vcpu, struct exit_access access)
{
    exit_memory(vcpu, access.operand ? access.gpa : EMULATE_NO_GPA, access.gpa);
}
