/*
 * GDB's remote serial protocol, all-stop: commands come as packets and end at a target, which this file
 * knows by its operations only. Threads are numbered from 1.
 */
#pragma once

#include "hv/debug/gdb_link.h"
#include "hv/debug/gdb_registers.h"

enum gdb_resume { GDB_STAY, GDB_CONTINUE, GDB_STEP };

/* As the packets Z0 to Z4 number them. */
enum gdb_point { GDB_SOFTWARE, GDB_HARDWARE, GDB_WATCH_WRITE, GDB_WATCH_READ, GDB_WATCH_ACCESS, GDB_POINTS };

/* Why the target stopped. */
struct gdb_stop {
    enum { GDB_STOPPED, GDB_HIT, GDB_ENDED } kind;
    uint8_t
        signal; /* GDB_STOPPED: as GDB numbers them: 2 interrupted, 5 a trap. GDB_ENDED: the exit status */
    unsigned thread;
    enum gdb_point point; /* GDB_HIT: what was hit */
    uint64_t address;     /* and where, of a watchpoint */
};

struct gdb_target {
    bool (*wide)(void *target); /* whether it is to be shown as a 64-bit processor */
    unsigned (*threads)(void *target);
    void (*describe)(void *target, unsigned thread, struct writer *out); /* a word or two about a thread */

    bool (*get)(void *target, unsigned thread, struct gdb_registers *registers);
    bool (*set)(void *target, unsigned thread, const struct gdb_registers *registers);

    /* By the thread's linear address. Both return how many bytes were moved before one could not be. */
    size_t (*read)(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count);
    size_t (*write)(void *target, unsigned thread, uint64_t address, const uint8_t *bytes, size_t count);

    /* false: not possible, or no more of them. */
    bool (*insert)(void *target, enum gdb_point point, uint64_t address, unsigned length);
    bool (*remove)(void *target, enum gdb_point point, uint64_t address, unsigned length);

    /* Lets the threads go on, each as what[thread - 1] says. Ends with a call of gdb_server_stopped. */
    void (*resume)(void *target, const uint8_t *what);
    void (*interrupt)(void *target); /* asks it to stop */
    void (*detach)(void *target, bool kill);

    /* `monitor ...`. */
    void (*command)(void *target, const char *line, struct writer *out);
};

#define GDB_THREADS 64

struct gdb_server {
    struct gdb_link link;
    const struct gdb_target *ops;
    void *target;
    bool running, wide;
    bool waiting;    /* GDB waits for the next stop */
    bool introduces; /* it waits for that to learn what the target is */
    unsigned thread; /* that registers and memory are asked of: Hg */
    struct gdb_stop last;
    struct gdb_registers registers;
};

void gdb_server_init(struct gdb_server *server, const struct gdb_target *ops, void *target,
                     void (*put)(void *owner, uint8_t byte), void *owner);

/* A byte from GDB. */
void gdb_server_byte(struct gdb_server *server, uint8_t byte);

/* The target has stopped. GDB is told if it waits for that, or when it asks. */
void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop);
