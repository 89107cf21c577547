/* The machine's own interrupt controllers: the local APIC of each core (xAPIC or x2APIC) and the I/O APICs.
 */
#pragma once

#include "hv/lib/base.h"

/* Chooses x2APIC where the CPU has it, and maps the registers otherwise. Once, on the boot core. */
void host_apic_init(void);

/* Turns the calling core's local APIC on: no LVT entry but the timer, spurious vector set. */
void host_apic_enable(void);

uint32_t host_apic_id(void);

/* Whether interrupts can be sent to it: xAPIC has eight bits for the id, and the last is everyone's. */
bool host_apic_reaches(uint32_t apic_id);
void host_apic_eoi(void);

/*
 * The calling core's APIC looks again for an interrupt that waits, as it does when its task priority is
 * written: it is written as it is. For emulators that lose the signal of one (docs/emulators.md). In an NMI
 * too.
 */
void host_apic_look_again(void);
void host_apic_send(uint32_t apic_id, uint8_t vector);
void host_apic_send_nmi(uint32_t to);
void host_apic_send_nmi_others(void);
void host_apic_send_init(uint32_t apic_id);
void host_apic_send_startup(uint32_t apic_id, uint8_t page);

/* Once, on the boot core: measures the local APIC timer's ticks per second against the TSC, where
 * TSC-deadline mode is missing or does not work. All cores count alike. */
void host_apic_timer_init(void);

/* What it measured; 0 in TSC-deadline mode. */
uint64_t host_apic_timer_hz(void);

/* One shot at `deadline` (TSC ticks); UINT64_MAX disarms. */
void host_apic_timer_set(uint64_t deadline);

/* "x2APIC, TSC-deadline timer": what is in use, for the log. */
const char *host_apic_description(void);

/* Routes an ISA interrupt, or from 16 on an I/O APICs' input, to `vector` on the core with `apic_id`. false:
 * no I/O APIC has it or can name that core, or it is 0, which means none. */
bool ioapic_route(unsigned irq, uint8_t vector, uint32_t apic_id);

/* Masks the 8259 pair, where there is one, and every pin of every I/O APIC: Keel takes only what it asks for.
 */
void legacy_interrupts_off(void);
