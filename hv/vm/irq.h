/* Wires between devices and the inputs of interrupt controllers. */
#pragma once

#include "hv/lib/base.h"

/* An output pin of a device, connected by the board. A line that is not connected has set == NULL. */
struct irq_line {
    void (*set)(void *owner, unsigned pin, bool asserted);
    void *owner;
    unsigned pin;
    bool (*heard)(void *owner, unsigned pin); /* NULL: always */
};

/*
 * Whether anybody could see that the line changes, but for those who look at its level later: they have it
 * brought up to date first (struct irq_sources).
 */
static inline bool irq_line_heard(const struct irq_line *line)
{
    return !line->heard || line->heard(line->owner, line->pin);
}

/*
 * The devices behind an interrupt controller's inputs. None of them watches the time for a line that nobody
 * hears: it is called to bring its line up to date before the controller looks at its inputs or opens one,
 * and again when one was opened.
 */
struct irq_sources {
    void (*update)(void *owner);
    void *owner;
};

static inline void irq_sources_update(const struct irq_sources *sources)
{
    if (sources->update)
        sources->update(sources->owner);
}

static inline void irq_line_set(const struct irq_line *line, bool asserted)
{
    if (line->set)
        line->set(line->owner, line->pin, asserted);
}
