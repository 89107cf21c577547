/* The exit codes of SVM (APM, appendix "SVM Intercept Exit Codes"). */
#pragma once

#include "hv/lib/base.h"

/*
 * X(code, name, text). Below SVM_EXIT_COUNT a code is also the number of its bit in the intercept vectors,
 * the first 24 bytes of a VMCB. Negative ones are sign-extended.
 */
/* clang-format off */
#define SVM_EXITS(X) \
    X(0x004, CR4_READ, "CR4 read") \
    X(0x008, CR8_READ, "CR8 read") \
    X(0x010, CR0_WRITE, "CR0 write") \
    X(0x014, CR4_WRITE, "CR4 write") \
    X(0x018, CR8_WRITE, "CR8 write") \
    X(0x041, DB, "#DB") \
    X(0x051, AC, "#AC") \
    X(0x052, MC, "#MC") \
    X(0x060, INTR, "physical interrupt") \
    X(0x061, NMI, "physical NMI") \
    X(0x062, SMI, "physical SMI") \
    X(0x063, INIT, "physical INIT") \
    X(0x064, VINTR, "virtual interrupt") \
    X(0x065, CR0_SEL_WRITE, "CR0 write of other bits than TS and MP") \
    X(0x066, IDTR_READ, "IDTR read") \
    X(0x067, GDTR_READ, "GDTR read") \
    X(0x068, LDTR_READ, "LDTR read") \
    X(0x069, TR_READ, "TR read") \
    X(0x06a, IDTR_WRITE, "IDTR write") \
    X(0x06b, GDTR_WRITE, "GDTR write") \
    X(0x06c, LDTR_WRITE, "LDTR write") \
    X(0x06d, TR_WRITE, "TR write") \
    X(0x06e, RDTSC, "RDTSC") \
    X(0x06f, RDPMC, "RDPMC") \
    X(0x070, PUSHF, "PUSHF") \
    X(0x071, POPF, "POPF") \
    X(0x072, CPUID, "CPUID") \
    X(0x073, RSM, "RSM") \
    X(0x074, IRET, "IRET") \
    X(0x075, SWINT, "INT n") \
    X(0x076, INVD, "INVD") \
    X(0x077, PAUSE, "PAUSE") \
    X(0x078, HLT, "HLT") \
    X(0x079, INVLPG, "INVLPG") \
    X(0x07a, INVLPGA, "INVLPGA") \
    X(0x07b, IOIO, "I/O instruction") \
    X(0x07c, MSR, "RDMSR or WRMSR") \
    X(0x07d, TASK_SWITCH, "task switch") \
    X(0x07e, FERR_FREEZE, "FP error freeze") \
    X(0x07f, SHUTDOWN, "shutdown") \
    X(0x080, VMRUN, "VMRUN") \
    X(0x081, VMMCALL, "VMMCALL") \
    X(0x082, VMLOAD, "VMLOAD") \
    X(0x083, VMSAVE, "VMSAVE") \
    X(0x084, STGI, "STGI") \
    X(0x085, CLGI, "CLGI") \
    X(0x086, SKINIT, "SKINIT") \
    X(0x087, RDTSCP, "RDTSCP") \
    X(0x088, ICEBP, "ICEBP") \
    X(0x089, WBINVD, "WBINVD or WBNOINVD") \
    X(0x08a, MONITOR, "MONITOR") \
    X(0x08b, MWAIT, "MWAIT") \
    X(0x08c, MWAIT_ARMED, "MWAIT with the monitor armed") \
    X(0x08d, XSETBV, "XSETBV") \
    X(0x08e, RDPRU, "RDPRU") \
    X(0x08f, EFER_WRITE_TRAP, "EFER write, done") \
    X(0x0a0, INVLPGB, "INVLPGB or TLBSYNC") \
    X(0x0a1, INVLPGB_ILLEGAL, "illegal INVLPGB") \
    X(0x0a2, INVPCID, "INVPCID") \
    X(0x0a3, MCOMMIT, "MCOMMIT") \
    X(0x0a4, TLBSYNC, "TLBSYNC") \
    X(0x400, NPF, "nested page fault") \
    X(0x401, AVIC_INCOMPLETE_IPI, "AVIC: incomplete IPI") \
    X(0x402, AVIC_NOACCEL, "AVIC: access not accelerated") \
    X(0x403, VMGEXIT, "VMGEXIT") \
    X(-1, INVALID, "invalid guest state in the VMCB") \
    X(-2, BUSY, "the VMSA is busy") \
    X(-3, IDLE_REQUIRED, "the sibling thread is not idle")
/* clang-format on */

enum svm_exit {
#define X(code, name, text) SVM_EXIT_##name = (int)(code),
    SVM_EXITS(X)
#undef X
        SVM_EXIT_COUNT = SVM_EXIT_TLBSYNC + 1
};

/* APM, "IOIO Intercept Information". */
#define IO_IN         BIT(0)
#define IO_STRING     BIT(2)
#define IO_SIZE(info) ((unsigned)(info) >> 4 & 7)
#define IO_PORT(info) ((uint16_t)((info) >> 16))

/* "undefined exit code" if it has no name. */
const char *svm_exit_name(uint64_t code);
