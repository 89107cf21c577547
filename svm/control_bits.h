/* The features of SVM: one list of what CPUID Fn8000_000A EDX has and what Keel makes of it. */
#pragma once

#include "hv/lib/base.h"

/*
 * X(bit, name, name in words, wanted how, why): VIRT_... of hv/vm/virt_controls.h. "No
 * nesting": it serves a guest that is a hypervisor itself, and guests are shown no SVM.
 */
/* clang-format off */
#define SVM_FEATURES(X) \
    X(0,  NESTED_PAGING,   "nested paging", NEEDED, "guest memory is kept apart by it, there are no shadow page tables") \
    X(1,  LBR,             "LBR virtualization", WANTED, "DebugCtl and the branch records switch with the guest") \
    X(2,  LOCK,            "SVM lock", OFF, "who owns the machine may turn SVM off and on again") \
    X(3,  NEXT_RIP,        "next-RIP save", GIVEN, "the length of what exits need not be found by decoding") \
    X(4,  TSC_RATIO,       "TSC ratio", WANTED, "set to 1: a guest's TSC runs as the machine's does") \
    X(5,  VMCB_CLEAN,      "VMCB clean bits", WANTED, "what did not change is not read again") \
    X(6,  FLUSH_ASID,      "flush by ASID", WANTED, "one guest's flush leaves the others their TLB") \
    X(7,  DECODE_ASSISTS,  "decode assists", WANTED, "the register of a MOV, and the bytes of a faulting instruction") \
    X(8,  PMC,             "PMC virtualization", OFF, "guests have no performance counters") \
    X(10, PAUSE_FILTER,    "PAUSE filter", WANTED, "a vCPU that waits in a loop lets the others of its core run") \
    X(12, PAUSE_THRESHOLD, "PAUSE threshold", WANTED, "only a loop counts, not a PAUSE now and then") \
    X(13, AVIC,            "AVIC", OFF, "the virtual local APIC is all software") \
    X(15, VMLOAD_VMSAVE,   "virtual VMLOAD and VMSAVE", OFF, "no nesting") \
    X(16, VGIF,            "virtual GIF", OFF, "no nesting") \
    X(17, GMET,            "GMET", OFF, "nested pages have one execute permission") \
    X(18, X2AVIC,          "x2AVIC", OFF, "the virtual local APIC is all software") \
    X(19, SHADOW_STACK,    "SSS check", OFF, "guests have no shadow stacks") \
    X(20, SPEC_CTRL,       "virtual SPEC_CTRL", OFF, "guests are not shown the MSR") \
    X(21, ROGPT,           "ROGPT", OFF, "a guest's page tables are its own") \
    X(23, HOST_MCE,        "host MCE override", OFF, "CR4.MCE is always on, where the CPU lacks this too") \
    X(24, INVLPGB,         "INVLPGB and TLBSYNC", OFF, "guests are not shown them") \
    X(25, VNMI,            "virtual NMI", WANTED, "NMIs are blocked and unblocked by hardware") \
    X(26, IBS,             "IBS virtualization", OFF, "guests have no IBS") \
    X(27, EXTENDED_LVT,    "extended LVT", OFF, "the virtual local APIC is all software") \
    X(28, VMCB_ADDRESS,    "VMCB address check", OFF, "no nesting") \
    X(29, BUS_LOCK,        "bus-lock threshold", OFF, "bus locks are not counted") \
    X(30, IDLE_HLT,        "idle HLT", OFF, "no interrupt is pending in the VMCB at HLT") \
    X(31, SHUTDOWN,        "enhanced shutdown intercept", OFF, "a shutdown ends the VM, whatever it was")
/* clang-format on */

/* Bits of svm_capabilities.features. */
enum svm_feature {
#define X(bit, name, words, how, why) SVM_##name = (bit),
    SVM_FEATURES(X)
#undef X
};
