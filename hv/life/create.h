/* What a VM consists of: made, loaded, and given back. life.c says when. */
#pragma once

#include "hv/console/console.h"
#include "hv/cpu/cpuid.h"
#include "hv/host/frames.h"
#include "hv/host/timer.h"
#include "hv/life/life.h"
#include "hv/life/vm_log.h"
#include "hv/vm/board.h"

struct entry_state;
struct life;

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

/* A VM of the configuration, whether it runs or not, with what must outlive a restart or be given back. */
struct life {
    struct vm vm;
    unsigned number; /* from 1 */
    const struct config_vm *config;
    const struct board_ops *board;
    bool recorded;
    cpuid_source *cpuid;                    /* the machine's */
    bool (*put)(void *owner, uint8_t byte); /* to the console */
    struct console_client console;
    struct memory_range pieces[VM_PIECES_MOST];
    unsigned piece_count;
    void *devices;
    size_t devices_size;
    struct cpuid_limits limits;
    uint64_t cleared; /* so many bytes of its RAM are zeroed */
    bool refused;     /* and why has been said */
    struct vm_log log;
    char why[256]; /* it is off; written before it is */

    struct spinlock parts; /* held by who looks at what the VM is made of, and to set this: */
    bool made;             /* it is whole: only then may others look */

    struct spinlock lock; /* of what follows */
    enum life_state state;
    bool again;             /* once its memory is cleared it is loaded and started, not given back */
    bool begun;             /* it was started once */
    bool held;              /* it is paused, or about to be */
    bool shown;             /* its crash, to a debugger */
    uint64_t parked;        /* a bit for each vCPU that left its core for the pause */
    unsigned live;          /* vCPUs that cores have */
    struct vcpu *worker;    /* the last vCPU to leave: on its time memory is cleared and the kernel loaded */
    struct timer delay;     /* LIFE_WAITING: until its next start */
    uint64_t since;         /* when it was created */
    uint64_t born;          /* when it was started last */
    unsigned crashes, wait; /* so many in a row; seconds to wait before the next start */
};

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
