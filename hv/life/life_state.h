/* A VM of the configuration and the state of its life. */
#pragma once

#include "hv/console/console.h"
#include "hv/cpu/cpuid.h"
#include "hv/host/frames.h"
#include "hv/host/timer.h"
#include "hv/life/config.h"
#include "hv/life/vm_log.h"
#include "hv/vm/board.h"
#include "hv/vm/vm.h"

/*
 * One follows the other, down this list and round again:
 *   OFF       nothing of it is there; an order to start makes all its parts
 *   STARTING  its memory is cleared, piece by piece, on the time of one of its vCPUs, then its kernel loaded
 *   WAITING   but first it has to wait, as it crashed again and again
 *   RUNNING   its vCPUs run, until each of them has left: to STARTING if it starts again, else to ENDING
 *   PAUSED    they stand still, or are about to, and no order to go on has come; else as RUNNING
 *   ENDING    its memory is cleared, then all its parts are given back
 */
enum life_state { LIFE_OFF, LIFE_STARTING, LIFE_WAITING, LIFE_RUNNING, LIFE_PAUSED, LIFE_ENDING };

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
    bool begun;             /* it was started once */
    bool shown;             /* its crash, to a debugger */
    uint64_t parked;        /* a bit for each vCPU that left its core for the pause */
    unsigned live;          /* vCPUs that cores have */
    struct vcpu *worker;    /* the last vCPU to leave: on its time memory is cleared and the kernel loaded */
    struct timer delay;     /* LIFE_WAITING: until its next start */
    uint64_t since;         /* when it was created */
    uint64_t born;          /* when it was started last */
    unsigned crashes, wait; /* so many in a row; seconds to wait before the next start */
};

/* Its vCPUs run, or stand still and could. */
static inline bool life_is_on(const struct life *life)
{
    return life->state == LIFE_RUNNING || life->state == LIFE_PAUSED;
}
