/* Where a vCPU's local APIC answers in its memory. */
#pragma once

#include "hv/vm/vcpu.h"

/* The vCPU's local APIC is in this mode now: as xAPIC it answers at [base, base + 4095] of its memory. */
void vcpu_place_apic(struct vcpu *vcpu, enum apic_mode mode, gpa_t base);
