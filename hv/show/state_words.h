/* The state of a vCPU as numbered words: what a recording compares at each exit, besides the vendor's own. */
#pragma once

#include "hv/vm/vcpu.h"

enum state_word {
    WORD_GPR,
    WORD_CR2 = 16,
    WORD_DR6,
    WORD_DR,
    WORD_XCR0 = WORD_DR + 4,
    WORD_ACTIVITY, /* and the end of the VM in bits 15:8 */
    WORD_APIC,     /* the registers of the local APIC */
    STATE_WORDS = WORD_APIC + 64,
};

/* Of a vCPU that is loaded on this core, between an exit and the next entry; `word` is below STATE_WORDS. */
uint64_t state_word(struct vcpu *vcpu, unsigned word);
