/* The core fixture's VM on SVM's own code: a VMCB of its own, a CPU with the features that a test names, and
 * what the rest of Keel is asked for. */
#pragma once

#include "hv/host/cpu.h"
#include "svm/capabilities.h"
#include "svm/entry.h"
#include "svm/events.h"
#include "svm/exits.h"
#include "svm/ops.h"
#include "svm/quirks.h"
#include "svm/reasons.h"
#include "svm/registers.h"
#include "svm/show.h"
#include "svm/vcpu.h"
#include "svm/vm.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

struct svm_machine {
    struct svm_vcpu *svm; /* of core.vcpu, after svm_vcpu_create */
    union vmcb *vmcb;
    struct cpu cpu;
    unsigned kicks;    /* interrupts that the core sent itself */
    unsigned length;   /* what emulate_length answers; 0: and #PF */
    unsigned entries;  /* calls of svm_enter */
    char report[4096]; /* of a crash */
    char asked[80];    /* the latest call of hv/exit/exit.h or hv/emulate/emulate.h, as text */
    bool left;         /* svm_leave was called */
    bool refuses;      /* those that say whether the instruction is done say no */
};

extern struct svm_machine machine;

/* How many address-space identifiers the next CPU has. */
extern unsigned svm_asids;

/* For cmocka: the vCPU is made, loaded and reset, on a CPU without optional features. */
int svm_setup(void **state);
int svm_teardown(void **state);

/* The same again on a CPU that has these: a mask of BIT(SVM_*). */
void svm_begin(uint32_t features);
