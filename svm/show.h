/* What the VMCB of a vCPU says, for people, recordings and those who observe exits. */
#pragma once

#include "hv/vm/virt.h"

/* The vendor table's rows. */
unsigned svm_show_numbers(uint16_t *numbers);
uint64_t svm_show_word(struct vcpu *vcpu, uint16_t number);
const char *svm_show_reason(unsigned reason);
void svm_details(struct vcpu *vcpu, struct exit_details *details);
void svm_dump(struct vcpu *vcpu, struct writer *out);
unsigned svm_explain(struct vcpu *vcpu, struct writer *out);
