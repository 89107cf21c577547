/* What the files of the local APIC know of each other: nobody else includes this. */
#pragma once

#include "devices/irq/local_apic.h"

/* local_apic.c: accepting and ending interrupts. */

/* Accepts a vector, from any core. Returns false if it is illegal or the APIC is disabled. */
bool apic_accept(struct local_apic *apic, unsigned vector, bool level);

/* Moves what has arrived to IRR and TMR. On the vCPU's own core, as all that follows. */
void apic_merge(struct local_apic *apic);

/* Notes an error: bits of ESR. From any core again. */
void apic_error(struct local_apic *apic, uint32_t error);

/* Tells the vCPU if an interrupt can be delivered now: after anything but a new interrupt changed that. */
void apic_reconsider(struct local_apic *apic);

/* The processor priority. */
unsigned apic_ppr(const struct local_apic *apic);

/* EOI is written. */
void apic_end(struct local_apic *apic);

/* LVT LINT0 was written: its level may now count, or not any more. */
void apic_lint0_changed(struct local_apic *apic);

/* Of struct interrupt_controller. */
int apic_pending(void *state);
int apic_acknowledge(void *state);
unsigned apic_get_tpr(void *state);
void apic_set_tpr(void *state, unsigned priority);
void apic_ended(void *state, unsigned vector);

/* apic_mode.c: IA32_APIC_BASE. */
extern const struct device_ops apic_base_ops;

/* apic_registers.c: the page and the MSRs; what hardware has written into the page. */
void apic_written(struct local_apic *apic, enum apic_reg reg);
extern const struct device_ops apic_page_ops, apic_x2apic_ops;

/* apic_fabric.c: the interrupt command register was written. */
void apic_send(struct local_apic *apic);

/* apic_timer.c: each takes the timer's lock. */
extern const struct device_ops apic_deadline_ops;
void apic_timer_init(struct local_apic *apic);
void apic_timer_reset(struct local_apic *apic);
void apic_timer_set_lvt(struct local_apic *apic, uint32_t value);
void apic_timer_set_count(struct local_apic *apic, uint32_t count);
void apic_timer_set_divide(struct local_apic *apic, uint32_t value);
uint32_t apic_timer_count(struct local_apic *apic);
void apic_timer_tsc_changed(struct local_apic *apic);
void apic_timer_resumed(struct local_apic *apic);

static inline bool apic_enabled(const struct local_apic *apic)
{
    return LOAD_SHARED(apic->base) & APIC_BASE_EN;
}

static inline bool apic_is_x2apic(const struct local_apic *apic)
{
    return LOAD_SHARED(apic->base) & APIC_BASE_EXTD;
}

static inline uint32_t apic_shown_id(const struct local_apic *apic)
{
    return apic_is_x2apic(apic) ? apic->vcpu->id : apic->vcpu->id << 24;
}

/*
 * Only the vCPU's own core writes its registers; other cores read some of them at any time, to route a
 * message or to find the lowest priority. What they see is an old value or a new one, never a part of one,
 * and none that no one has written. Nothing else is ordered by it.
 */
static inline uint32_t apic_load(const struct local_apic *apic, enum apic_reg reg)
{
    return LOAD_SHARED(apic->reg[reg].low);
}

static inline void apic_store(struct local_apic *apic, enum apic_reg reg, uint32_t value)
{
    __atomic_store_n(&apic->reg[reg].low, value, __ATOMIC_RELAXED);
}

static inline uint32_t apic_inputs(const struct local_apic *apic)
{
    return __atomic_load_n(&apic->inputs, __ATOMIC_SEQ_CST);
}

/* Both return the bits as they were. */
static inline uint32_t apic_input_set(struct local_apic *apic, uint32_t bits)
{
    return __atomic_fetch_or(&apic->inputs, bits, __ATOMIC_SEQ_CST);
}

static inline uint32_t apic_input_clear(struct local_apic *apic, uint32_t bits)
{
    return __atomic_fetch_and(&apic->inputs, ~bits, __ATOMIC_SEQ_CST);
}

/* Whether it takes fixed interrupts: enabled in hardware and in software. */
static inline bool apic_accepts(const struct local_apic *apic)
{
    return apic_enabled(apic) && apic_load(apic, APIC_SVR) & SVR_ENABLED;
}

/* The highest vector in ISR, TMR or IRR, given by its first register, or -1. */
static inline int apic_highest(const struct local_apic *apic, enum apic_reg first)
{
    return apic_set_highest(&apic->reg[first].low);
}

static inline bool apic_has(const struct local_apic *apic, enum apic_reg first, unsigned vector)
{
    return apic_load(apic, first + vector / 32) >> vector % 32 & 1;
}

/* Whether the vector is on its way to IRR. */
static inline bool apic_arrived(const struct local_apic *apic, unsigned vector)
{
    return (__atomic_load_n(&apic->posted.requests[vector / 64], __ATOMIC_RELAXED) |
            __atomic_load_n(&apic->levels[vector / 64], __ATOMIC_RELAXED)) >>
               vector % 64 &
           1;
}

static inline void apic_add(struct local_apic *apic, enum apic_reg first, unsigned vector)
{
    enum apic_reg reg = first + vector / 32;

    apic_store(apic, reg, apic_load(apic, reg) | UINT32_C(1) << vector % 32);
}

static inline void apic_remove(struct local_apic *apic, enum apic_reg first, unsigned vector)
{
    enum apic_reg reg = first + vector / 32;

    apic_store(apic, reg, apic_load(apic, reg) & ~(UINT32_C(1) << vector % 32));
}
