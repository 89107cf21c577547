/*
 * The features of a vendor's as a list, and what Keel makes of each. What `disable` in keel.conf does without
 * is one of them.
 */
#pragma once

#include "hv/lib/base.h"

enum virt_wanted {
    VIRT_OFF,     /* off where the CPU allows that */
    VIRT_WANTED,  /* on where the CPU has it */
    VIRT_GIVEN,   /* likewise, and where it is there, nothing is done to turn it on: it cannot be done without
                   */
    VIRT_TOGGLED, /* off at first, and switched at run time: needed */
    VIRT_NEEDED,  /* Keel cannot run without it */
};

struct virt_control {
    uint8_t word;     /* where the vendor has several: which of them the bit is in */
    uint8_t bit;      /* of the word */
    uint8_t how;      /* enum virt_wanted */
    uint8_t since;    /* which of the vendor's words mend its absence; of needed and toggled ones */
    const char *name; /* as the manual writes it */
    const char *why;  /* of needed and toggled ones */
};

/* The vendor's list, and what is taken not to be there. */
struct virt_controls {
    const struct virt_control *rows;
    unsigned count;
    bool trusted;        /* also what emulators have wrong: by `none` */
    uint64_t *forbidden; /* by word */
};

/* Does without a wanted control, by its name; `none` does without nothing. Before preflight. false: no such.
 */
bool virt_forbid(struct virt_controls *controls, const char *name, size_t length);

/* The name of a bit, or NULL. */
const char *virt_control_name(const struct virt_controls *controls, unsigned word, unsigned bit);
