/* The guest's own paging: guest-linear to guest-physical, with every permission it asks for. */
#pragma once

#include "hv/vm/vcpu.h"

#define ACCESS_READ     0
#define ACCESS_WRITE    BIT(0)
#define ACCESS_FETCH    BIT(1)
#define ACCESS_SYSTEM   BIT(2) /* implicit supervisor access (descriptor tables, TSS): CPL does not matter */
#define ACCESS_NO_ALTER BIT(3) /* sets no accessed or dirty bit: for debuggers */

/*
 * Translates one guest-linear address. Returns true and the guest-physical address, or false and the #PF
 * (with error code and address) that silicon would raise. Sets accessed and dirty bits as silicon does,
 * except with ACCESS_NO_ALTER.
 */
bool guest_translate(struct vcpu *vcpu, gva_t gva, unsigned access, gpa_t *gpa, struct fault *fault);
