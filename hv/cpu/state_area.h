/* The areas that FXSAVE and the XSAVE family fill: where in them each state component lies. */
#pragma once

#include "hv/vm/vcpu.h"

/* SDM, "XSAVE Area": bytes. Longer than AREA_MOST is none that has the components that guests may have. */
#define AREA_MOST        3072
#define AREA_HEADER      512 /* where it begins: XSTATE_BV, XCOMP_BV and zeroes */
#define AREA_HEADER_SIZE 64
#define AREA_COMPACTED   BIT(63) /* in XCOMP_BV */

#define COMPONENT_X87    0
#define COMPONENT_SSE    1
#define COMPONENT_AVX    2

struct area_part {
    uint16_t at, size;
};

/* How long the longest area of the XSAVE family is that the guest can ask for. */
unsigned area_size(struct vcpu *vcpu);

/* Where component 1 to 62 lies under this XCOMP_BV. false: it is not there, or not within AREA_MOST. */
bool area_component(struct vcpu *vcpu, unsigned component, uint64_t xcomp, struct area_part *part);

/*
 * Which parts of an area have registers that 64-bit code alone can reach: other code neither saves nor
 * restores them. Returns how many, AREA_UPPER_MOST at most.
 */
#define AREA_UPPER_MOST 4
unsigned area_upper(struct vcpu *vcpu, uint64_t xcomp, struct area_part parts[AREA_UPPER_MOST]);

/* Puts those parts of an area, in standard format as the other, in place of its own. */
void area_take_upper(struct vcpu *vcpu, uint8_t *area, const uint8_t *from);
