/* What the VMCS of the vCPU that is loaded says, for people, recordings and those who observe exits. */
#pragma once

#include "hv/vm/virt.h"
#include "vmx/fields.h"

/* A reader over it. */
extern const struct vmcs_reader vmx_current;

/* The vendor table's rows. */
unsigned vmx_show_numbers(uint16_t *numbers);
uint64_t vmx_show_word(struct vcpu *vcpu, uint16_t number);
const char *vmx_show_reason(unsigned reason);
void vmx_details(struct vcpu *vcpu, struct exit_details *details);
void vmx_dump(struct vcpu *vcpu, struct writer *out);
unsigned vmx_explain(struct vcpu *vcpu, struct writer *out);
