/*
 * One counter of the 8254, carried over any number of CLK pulses from one event to the next, whole periods at
 * once. Between the files of the device alone.
 */
#pragma once

#include "devices/pit.h"

static inline unsigned pit_mode(const struct pit_counter *counter)
{
    unsigned mode = counter->control >> 1 & 7;

    return mode > 5 ? mode - 4 : mode; /* modes 2 and 3 ignore the highest bit */
}

static inline bool pit_is_periodic(const struct pit_counter *counter)
{
    return pit_mode(counter) == 2 || pit_mode(counter) == 3;
}

bool pit_is_counting(const struct pit_counter *counter);

/* CLK pulses until the next load or change of OUT; 0 if there will be none. */
uint32_t pit_next_event(const struct pit_counter *counter);

/* Carries the counter on to the CLK pulse `clock`, from event to event, in a bounded number of steps. */
void pit_advance_by_events(struct pit_counter *counter, uint64_t clock);

static inline void pit_advance(struct pit_counter *counter, uint64_t clock)
{
    if (unlikely(clock >= counter->quiet_until)) {
        pit_advance_by_events(counter, clock);
    } else if (clock > counter->at) {
        counter->count -= (uint32_t)(clock - counter->at) * counter->step;
        counter->at = clock;
    }
}

/* What the guest writes: a control word, a whole initial count, GATE. */
void pit_set_control(struct pit_counter *counter, uint8_t control);
void pit_set_initial(struct pit_counter *counter, uint16_t value);
void pit_set_gate(struct pit_counter *counter, bool gate);
