/* Twenty local APICs (two clusters of the x2APIC's) with everything around them recorded. */
#pragma once

#include "tests/unit/fake.h"

#include "devices/irq/local_apic.h"

#define APICS    20
#define MASKED   (1u << 16)
#define PERIODIC (1u << 17)
#define DEADLINE (2u << 17)
#define LEVEL    (1u << 15)
#define ASSERT   (1u << 14)

extern struct vcpu vcpus[APICS];
extern struct local_apic apics[APICS];
extern struct local_apic_group group;

extern unsigned acknowledges, broadcasts, resumptions;
extern int external_vector; /* what the 8259A answers */
extern uint8_t broadcast_vector;

/* Whether its page is somewhere, as vcpu_place_apic was told last. */
static inline bool apic_is_placed(unsigned cpu)
{
    return vcpus[cpu].local.last != 0;
}

/* All reset and software-enabled; the time is 1000. */
int setup(void **state);

/* Forgets what was recorded. */
void forget(void);

/* Which vCPUs were asked for `work`, as a bit each; and forgets it. */
uint64_t asked(uint64_t work);

/* MSR accesses; false is #GP. */
bool wrmsr(unsigned cpu, uint32_t msr, uint64_t value);
bool rdmsr(unsigned cpu, uint32_t msr, uint64_t *value);
uint64_t msr(uint32_t number); /* of CPU 0, which must have it */
void to_x2apic(unsigned cpu);

/* Accesses to the xAPIC page: any, or a whole register (of CPU 0 when none is named). */
void put_at(unsigned cpu, uint64_t offset, unsigned size, uint64_t value);
uint32_t get_at(unsigned cpu, uint64_t offset, unsigned size);
void put_on(unsigned cpu, enum apic_reg reg, uint32_t value);
uint32_t get_on(unsigned cpu, enum apic_reg reg);
void put(enum apic_reg reg, uint32_t value);
uint32_t get(enum apic_reg reg);

/* What the core asks. */
int pending(unsigned cpu);
int acknowledge(unsigned cpu);

/* Whether a vector is in ISR, TMR or IRR, as software reads them. */
bool has(unsigned cpu, enum apic_reg first, unsigned vector);

/* A message as an I/O APIC sends it; and a fixed edge to CPU 0. */
bool send(enum apic_delivery delivery, uint8_t vector, uint32_t destination, bool logical, bool level);
bool interrupt(uint8_t vector);

/* An IPI from CPU 0 in xAPIC mode. */
void ipi(uint32_t destination, uint32_t low);

/* Drives LINT0 or LINT1 of one CPU. */
void lint(unsigned cpu, unsigned pin, bool asserted);

/* ESR of CPU 0, written first, as software does. */
uint32_t errors(void);
