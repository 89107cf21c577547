/*
 * GDB's remote serial protocol, all-stop: commands come as packets and end at a target, which this file
 * knows by its operations only. Threads are numbered from 1.
 *
 * Each packet has states in which it is allowed (the table in gdb_commands.c); in the others it is refused
 * and does nothing. While the target runs GDB waits for its stop, and nothing but ^C is expected from it.
 */
#pragma once

#include "hv/gdb/gdb_link.h"
#include "hv/show/gdb_registers.h"

enum gdb_resume { GDB_STAY, GDB_CONTINUE, GDB_STEP };

/* As the packets Z0 to Z4 number them. */
enum gdb_point { GDB_SOFTWARE, GDB_HARDWARE, GDB_WATCH_WRITE, GDB_WATCH_READ, GDB_WATCH_ACCESS, GDB_POINTS };

/* Why the target stopped, or how it ended. */
struct gdb_stop {
    enum {
        GDB_STOPPED, /* `signal` as GDB numbers them: 2 interrupted, 5 a trap, 11 a crash */
        GDB_HIT,
        GDB_EXITED, /* `signal` is the exit status */
        GDB_KILLED, /* by `signal` */
    } kind;
    uint8_t signal;
    unsigned thread;
    enum gdb_point point; /* GDB_HIT: what was hit */
    uint64_t address;     /* and where, of a watchpoint */
};

struct gdb_target {
    /* A connection has begun, and the target stands still: whatever a former one has left is taken out. */
    void (*attach)(void *target);

    bool (*wide)(void *target); /* whether it is to be shown as a 64-bit processor */
    unsigned (*threads)(void *target);
    void (*describe)(void *target, unsigned thread, struct writer *out); /* a word or two about a thread */

    /* All of these return false, or 0, where the target does not stand still. */
    bool (*get)(void *target, unsigned thread, struct gdb_registers *registers);
    bool (*set)(void *target, unsigned thread, const struct gdb_registers *registers);

    /* By the thread's linear address. Both return how many bytes were moved before one could not be. */
    size_t (*read)(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count);
    size_t (*write)(void *target, unsigned thread, uint64_t address, const uint8_t *bytes, size_t count);

    /* false: not possible, or no more of them. */
    bool (*insert)(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length);
    bool (*remove)(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length);

    /* Lets the threads go on, each as what[thread - 1] says. Ends with a call of gdb_server_stopped. */
    void (*resume)(void *target, const uint8_t *what);
    void (*interrupt)(void *target); /* asks it to stop; ends likewise, if it is to be stopped or gone */

    /* The target is as if nobody had looked, and runs, or ends with `kill`. */
    void (*detach)(void *target, bool kill);

    /* `monitor ...`. */
    void (*command)(void *target, const char *line, struct writer *out);
};

#define GDB_THREADS 64
#define GDB_OUTPUT  KIB(64) /* of a `monitor` command */

/* Bits in the table of packets. */
enum gdb_state {
    GDB_AWAY = 1,   /* nobody is connected */
    GDB_RUNS = 2,   /* and GDB waits for its stop */
    GDB_STANDS = 4, /* until GDB lets it go on */
    GDB_GONE = 8,   /* it has ended */
};

struct gdb_server {
    struct gdb_link link;
    const struct gdb_target *ops;
    void *target;
    enum gdb_state state;
    enum { OWES_NOTHING, OWES_STOP, OWES_FEATURES } owes; /* what GDB is told as soon as the target stops */
    bool begins;                                          /* a connection, with that stop */
    bool later;                                           /* the packet that is served is not answered now */
    bool wide;
    unsigned thread; /* that registers and memory are asked of: Hg */
    struct gdb_stop last;
    struct gdb_registers registers;

    /* An answer that is made piece by piece; returns whether that was the last. NULL: none is. */
    bool (*piece)(struct gdb_server *server);
    uint64_t address, left; /* of memory that is summed up */
    uint32_t sum;
    size_t said; /* of the text that a command has left */
    struct text_buffer output;
    char text[GDB_OUTPUT];
};

void gdb_server_init(struct gdb_server *server, const struct gdb_target *ops, void *target,
                     void (*put)(void *owner, uint8_t byte), void *owner);

/*
 * What comes: a byte from GDB, the target's stop, the next piece of a long answer. Each puts GDB_LINK_ROOM
 * bytes onto the line at most. A byte has to wait while gdb_server_busy, which gdb_server_go_on ends.
 */
void gdb_server_byte(struct gdb_server *server, uint8_t byte);
void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop);
void gdb_server_go_on(struct gdb_server *server);

static inline bool gdb_server_busy(const struct gdb_server *server)
{
    return server->piece;
}

/* The next packet has to be a new connection's. */
void gdb_server_leave(struct gdb_server *server);
