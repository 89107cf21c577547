/*
 * Who is told all that Keel is given while it serves a VM: a recorder, so that the same can be given to it
 * again. Where nobody is, it costs a look at a pointer.
 */
#pragma once

#include "hv/lib/base.h"

struct timer;

struct witness {
    uint64_t (*value)(uint64_t value); /* a number that the machine was asked for; returns what counts */
    void (*memory)(gpa_t gpa, void *at,
                   uint64_t length);    /* of a VM: Keel is about to look there, perhaps to write */
    void (*timer)(struct timer *timer); /* has fired: calls it */
    void (*interrupt)(bool begins);     /* around all timers that have: time goes on meanwhile */
};

/* NULL: nobody is. */
extern const struct witness *witness;

static inline uint64_t witness_value(uint64_t value)
{
    return unlikely(witness) ? witness->value(value) : value;
}
