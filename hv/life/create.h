/* What a VM consists of: made, loaded, and given back. life.c says when. */
#pragma once

#include "hv/life/life_state.h"

struct entry_state;

/* What a recorder has to do with a VM's life. */
struct life_recorder {
    void (*reserve)(uint64_t bytes); /* memory for a recording of so many, before any VM is there */
    /* The VM is about to be created. NULL, or why it cannot be recorded; if it is, `recorded` and what Keel
     * asks the machine for it by (board, cpuid, put) are the recorder's from now on. */
    const char *(*open)(struct life *life);
    void (*created)(struct vm *vm);
    void (*starts)(struct vm *vm, const struct entry_state *entry); /* around its reset */
    void (*started)(struct vm *vm);
    void (*close)(struct life *life);
};

/* Set before the first VM is created. NULL: none can be recorded. */
extern const struct life_recorder *life_recorder;

/*
 * Gets memory, address spaces, vCPUs and devices for a VM that has none. false, said in a log line that names
 * what was missing, if that fails; nothing of it is left then.
 */
bool life_create(struct life *life);

/* Zeroes about a millisecond's worth of the VM's RAM. Returns whether all of it is zero now. */
bool life_clear(struct life *life);

/* Puts memory, devices and vCPUs into the state in which the kernel starts. false: said in a log line. */
bool life_load(struct life *life);

/* Gives everything back. Its RAM must be cleared, if a guest ever had it. */
void life_destroy(struct life *life);
