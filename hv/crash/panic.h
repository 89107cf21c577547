/* The end of Keel itself: what happened, registers, backtrace, the latest exits. */
#pragma once

#include "hv/lib/base.h"

struct writer;

/* From here on panic, exceptions in Keel and NMIs are reported whole. */
void panic_init(void);

/* Prints what else is known of the latest exits at a panic's end. NULL: nothing is. */
extern void (*panic_last_words)(struct writer *to);
