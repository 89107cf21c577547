/* The exit codes of SVM (APM, appendix "SVM Intercept Exit Codes"). */
#pragma once

#include "hv/lib/base.h"

/*
 * X(code, name, text, what its operand is, who serves it). The code of an intercept is also
 * the number of its bit in the intercept vectors, the first 24 bytes of a VMCB: what has a handler is
 * intercepted. Of others exits.c has the few that are served; negative ones are sign-extended. An endless #DB
 * or #AC delivery would keep the core from ever leaving the guest; #MC is the machine's.
 */
/* clang-format off */
#define SVM_INTERCEPTS(X) \
    X(0x004, CR4_READ, "CR4 read", NOTHING, handle_move_control) \
    X(0x008, CR8_READ, "CR8 read", NOTHING, handle_move_control) \
    X(0x010, CR0_WRITE, "CR0 write", NOTHING, NULL) \
    X(0x014, CR4_WRITE, "CR4 write", NOTHING, handle_move_control) \
    X(0x018, CR8_WRITE, "CR8 write", NOTHING, handle_move_control) \
    X(0x041, DB, "#DB", NOTHING, handle_debug) \
    X(0x051, AC, "#AC", NOTHING, handle_alignment) \
    X(0x052, MC, "#MC", NOTHING, handle_machine_check) \
    X(0x060, INTR, "physical interrupt", NOTHING, svm_after_interrupt) \
    X(0x061, NMI, "physical NMI", NOTHING, exit_ignored) \
    X(0x062, SMI, "physical SMI", NOTHING, NULL) \
    X(0x063, INIT, "physical INIT", NOTHING, exit_ignored) \
    X(0x064, VINTR, "virtual interrupt", NOTHING, exit_window) \
    X(0x065, CR0_SEL_WRITE, "CR0 write of other bits than TS and MP", NOTHING, handle_cr0_write) \
    X(0x066, IDTR_READ, "IDTR read", NOTHING, NULL) \
    X(0x067, GDTR_READ, "GDTR read", NOTHING, NULL) \
    X(0x068, LDTR_READ, "LDTR read", NOTHING, NULL) \
    X(0x069, TR_READ, "TR read", NOTHING, NULL) \
    X(0x06a, IDTR_WRITE, "IDTR write", NOTHING, NULL) \
    X(0x06b, GDTR_WRITE, "GDTR write", NOTHING, NULL) \
    X(0x06c, LDTR_WRITE, "LDTR write", NOTHING, NULL) \
    X(0x06d, TR_WRITE, "TR write", NOTHING, NULL) \
    X(0x06e, RDTSC, "RDTSC", NOTHING, NULL) \
    X(0x06f, RDPMC, "RDPMC", NOTHING, exit_protection) \
    X(0x070, PUSHF, "PUSHF", NOTHING, NULL) \
    X(0x071, POPF, "POPF", NOTHING, NULL) \
    X(0x072, CPUID, "CPUID", LEAF, handle_cpuid_with_xcr0) \
    X(0x073, RSM, "RSM", NOTHING, exit_undefined) \
    X(0x074, IRET, "IRET", NOTHING, handle_iret) \
    X(0x075, SWINT, "INT n", NOTHING, NULL) \
    X(0x076, INVD, "INVD", NOTHING, handle_cache) \
    X(0x077, PAUSE, "PAUSE", NOTHING, handle_pause) \
    X(0x078, HLT, "HLT", NOTHING, handle_hlt_with_nmi) \
    X(0x079, INVLPG, "INVLPG", NOTHING, NULL) \
    X(0x07a, INVLPGA, "INVLPGA", NOTHING, exit_undefined) \
    X(0x07b, IOIO, "I/O instruction", PORT, handle_io) \
    X(0x07c, MSR, "RDMSR or WRMSR", MSR, handle_msr) \
    X(0x07d, TASK_SWITCH, "task switch", NOTHING, handle_task_switch) \
    X(0x07e, FERR_FREEZE, "FP error freeze", NOTHING, NULL) \
    X(0x07f, SHUTDOWN, "shutdown", NOTHING, exit_triple_fault) \
    X(0x080, VMRUN, "VMRUN", NOTHING, exit_undefined) \
    X(0x081, VMMCALL, "VMMCALL", CALL, handle_hypercall) \
    X(0x082, VMLOAD, "VMLOAD", NOTHING, exit_undefined) \
    X(0x083, VMSAVE, "VMSAVE", NOTHING, exit_undefined) \
    X(0x084, STGI, "STGI", NOTHING, exit_undefined) \
    X(0x085, CLGI, "CLGI", NOTHING, exit_undefined) \
    X(0x086, SKINIT, "SKINIT", NOTHING, exit_undefined) \
    X(0x087, RDTSCP, "RDTSCP", NOTHING, exit_undefined) \
    X(0x088, ICEBP, "ICEBP", NOTHING, NULL) \
    X(0x089, WBINVD, "WBINVD or WBNOINVD", NOTHING, handle_cache) \
    X(0x08a, MONITOR, "MONITOR", NOTHING, exit_undefined) \
    X(0x08b, MWAIT, "MWAIT", NOTHING, exit_undefined) \
    X(0x08c, MWAIT_ARMED, "MWAIT with the monitor armed", NOTHING, exit_undefined) \
    X(0x08d, XSETBV, "XSETBV", NOTHING, handle_xsetbv) \
    X(0x08e, RDPRU, "RDPRU", NOTHING, exit_undefined) \
    X(0x08f, EFER_WRITE_TRAP, "EFER write, done", NOTHING, NULL) \
    X(0x0a0, INVLPGB, "INVLPGB or TLBSYNC", NOTHING, exit_undefined) \
    X(0x0a1, INVLPGB_ILLEGAL, "illegal INVLPGB", NOTHING, exit_undefined) \
    X(0x0a2, INVPCID, "INVPCID", NOTHING, exit_undefined) \
    X(0x0a3, MCOMMIT, "MCOMMIT", NOTHING, exit_undefined) \
    X(0x0a4, TLBSYNC, "TLBSYNC", NOTHING, exit_undefined)

#define SVM_OTHER_EXITS(X) \
    X(0x400, NPF, "nested page fault", MEMORY, NULL) \
    X(0x401, AVIC_INCOMPLETE_IPI, "AVIC: incomplete IPI", NOTHING, NULL) \
    X(0x402, AVIC_NOACCEL, "AVIC: access not accelerated", NOTHING, NULL) \
    X(0x403, VMGEXIT, "VMGEXIT", NOTHING, NULL) \
    X(-1, INVALID, "invalid guest state in the VMCB", NOTHING, NULL) \
    X(-2, BUSY, "the VMSA is busy", NOTHING, NULL) \
    X(-3, IDLE_REQUIRED, "the sibling thread is not idle", NOTHING, NULL)

#define SVM_EXITS(X) SVM_INTERCEPTS(X) SVM_OTHER_EXITS(X)
/* clang-format on */

enum svm_exit {
#define X(code, name, text, about, handler) SVM_EXIT_##name = (int)(code),
    SVM_EXITS(X)
#undef X
        SVM_EXIT_COUNT = SVM_EXIT_TLBSYNC + 1
};

/* "undefined exit code" if it has no name. */
const char *svm_exit_name(uint64_t code);
