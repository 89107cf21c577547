/*
 * The trace: a ring per core of the latest exits and events. Each core writes its own, without a lock. What
 * is not traced costs two instructions an exit (hv/vm/observe.h). docs/tracing.md explains it to people.
 */
#pragma once

#include "hv/exit/details.h"
#include "hv/host/cpu.h"
#include "hv/lib/format.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

enum trace_then {
    TRACE_OPEN, /* its end has not come */
    TRACE_GOES_ON,
    TRACE_LEAVES, /* the run loop */
    TRACE_ENDS,   /* the VM */
};

#define TRACE_EXIT 0xff /* `kind` is this or enum observed */

struct trace_record {
    uint64_t number; /* on its core, from 1 on; 0 while it is written */
    uint64_t when;   /* ticks */
    uint64_t rip;    /* from here on of an exit alone, but `value` */
    uint64_t qualification, operand;
    uint64_t value; /* in or out of a port or an MSR, ECX of CPUID, the result of a hypercall; of an event,
                       its own */
    uint32_t reason;
    uint32_t cost; /* in ticks, until the entry or until it left, without what tracing it took */
    uint8_t kind, vm, vcpu;
    uint8_t about, size; /* as in struct exit_details */
    uint8_t reads : 1, string : 1, injects : 1;
    uint8_t then : 2, type : 3; /* of what goes in with the entry, and its vector */
    uint8_t vector;
};

struct trace_ring {
    struct trace_record *records;
    uint64_t next;             /* the number of the next record */
    uint64_t first;            /* none older is wanted */
    uint64_t lost;             /* while a dump was printed */
    struct trace_record *open; /* of the exit that is served */
    struct exit_details exit;  /* likewise */
    uint64_t since;            /* when the tracer was done with its begin */
};

/* A power of two: the records of a ring. Set before the trace is first on. */
extern unsigned trace_size;

extern bool trace_reported; /* a dump at each VM's end */

/*
 * Turns it on, anew if it is on. `filters` are words: a VM, or VM.VCPU, each more than none; reasons with
 * commas between them, and ip=FIRST-LAST, as trace_filter.c takes them. false: said why not. Between two
 * vCPUs on the boot core.
 */
bool trace_on(const char *filters, struct writer *out);
void trace_off(void);
void trace_clear(void);
void trace_describe(struct writer *out); /* whether it is on, and what there is */

/* The vCPUs of a VM that begins to run are traced if they are wanted. With its life locked. */
void trace_vm(struct vm *vm);

/* At a VM's end: a dump, if `report` has it. The machine is held on until it has been printed. */
void trace_report(void);

/* A dump that is printed piece by piece; while one is, nothing is recorded. */
struct trace_dump {
    struct writer *out;
    uint64_t left;
    uint64_t at[CPUS_MOST]; /* the number of the next record to be printed */
};

/* The latest `most` records of all cores. */
void trace_dump_begin(struct trace_dump *dump, uint64_t most, struct writer *out);
/* A line of it; false: that was the last. */
bool trace_dump_line(struct trace_dump *dump);
/* Before its last line: no more of it is wanted. */
void trace_dump_end(struct trace_dump *dump);

/* All of a dump of so many at once. */
void trace_print(uint64_t most, struct writer *out);

/* trace.c and trace_dump.c */
extern struct trace_ring trace_rings[CPUS_MOST];
extern bool trace_frozen;

/* trace_filter.c: which vCPUs and exits are wanted. false: said what is wrong with the words. */
bool trace_filter_parse(const char *words, struct writer *out);
bool trace_wants_vcpu(unsigned vm, unsigned vcpu);
bool trace_wants_exit(uint32_t reason, uint64_t rip);
extern bool trace_wants_events;
