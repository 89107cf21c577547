/* A virtual machine: its memory, buses and vCPUs, and how it ends. */
#pragma once

#include "ept/table.h"
#include "hv/lib/base.h"
#include "hv/lib/spinlock.h"
#include "hv/vm/bus.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/guest_mem.h"
#include "hv/vm/irq.h"
#include "hv/vm/runner.h"
#include "hv/vm/vcpu.h"

struct module;

#define VM_VCPUS_MOST 64
#define VM_NAME_MOST  32
#define VM_CORES      256 /* of the machine, that it can be kept to */

/* Why a VM stops running. */
enum vm_end {
    VM_RUNS,
    VM_POWERED_OFF, /* ACPI S5, or Keel's own end of it */
    VM_RESET,       /* it asked for a reset and is started again */
    VM_EXITED,      /* debug-exit port: `status` */
    VM_CRASHED,     /* `reason` says why in words */
    VM_STOPPED,     /* from outside */
};

/* Where a piece of the VM's RAM really is. */
struct vm_backing {
    gpa_t gpa;
    hpa_t physical;
    uint64_t size;
};

#define VM_PIECES_MOST 32
#define VM_TEST_MEMORY KIB(64) /* at 0xFF000000 */

struct vm {
    struct vm_arch arch;
    char name[VM_NAME_MOST];
    unsigned id; /* from 1 */
    struct guest_mem memory;
    struct bus ports, mmio;
    struct spinlock lock; /* the board's: held around every device that the vCPUs share */
    struct vcpu *vcpus[VM_VCPUS_MOST];
    unsigned vcpu_count;
    struct run_group group;        /* its share of the machine's time */
    struct share share;            /* what is due to it */
    uint64_t cores[VM_CORES / 64]; /* those that it may use */
    bool ending;                   /* somebody is about to set `end` */
    enum vm_end end;
    unsigned status;
    char reason[192];     /* the longest names an address twice and an instruction of 15 bytes */
    bool said_crash;      /* a report about its end has begun */
    bool said_report;     /* a vCPU's registers, with what is printed for the first one alone */
    bool said_asleep;     /* that it sleeps for good was said once */
    uint64_t asleep;      /* what hv/life/sleepers.c saw at its latest look */
    void *board;          /* the devices, as devices/board.c keeps them */
    struct table nested;  /* second-level paging */
    unsigned nested_type; /* the memory type of RAM in them */
    struct table space;   /* Keel's address space while this VM is served: Keel's own and the VM's RAM */
    struct vm_backing backing[VM_PIECES_MOST + 2];
    unsigned backing_count;
    uint8_t *test_memory;         /* of the test device; NULL: the VM has none */
    gpa_t hidden;                 /* a page of RAM that its next access brings back, plus 1; 0: none */
    struct vm_debug *debug;       /* NULL: nobody debugs it */
    const struct module *symbols; /* of its kernel, for people; NULL: none were given */
    void *life; /* what hv/life/life.c remembers to start it again and to give everything back */
};

/*
 * Ends the VM, from any of its vCPUs or devices: every vCPU leaves its run loop before its next entry. The
 * first call counts, later ones are ignored. `status` is for VM_EXITED.
 */
void vm_stop(struct vm *vm, enum vm_end end, unsigned status);

/* vm_stop with VM_CRASHED and a reason in words: "triple fault at rip 0x1234". */
void vm_crash(struct vm *vm, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Takes a page of RAM away until the VM's next access to it; one page at most, and no page that has an APIC.
 * The VM's lock is held. vm_find_page brings it back at an access there: true, if it was the one.
 */
void vm_hide_page(struct vm *vm, gpa_t page);
void vm_show_page(struct vm *vm);
bool vm_find_page(struct vm *vm, gpa_t gpa);

/*
 * Guest-physical memory as the vCPU sees it, from the emulator and from exits: its own APIC page first, then
 * the memory bus, then RAM. What nobody answers reads as all ones. `size` is 1, 2, 4 or 8 and does not cross
 * a page.
 */
uint64_t vm_memory_read(struct vcpu *vcpu, gpa_t gpa, unsigned size);
void vm_memory_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value);

/* What nobody answered is counted, unless it was of the APIC's page. Returns what is read there. */
uint64_t vm_memory_missed(struct vcpu *vcpu, gpa_t gpa, unsigned size);

/* The range that all of an access is in: the vCPU's own, or one that the bus remembers; else NULL. */
static inline const struct bus_range *vm_range_at(const struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    const struct bus_range *local = &vcpu->local;

    if (gpa - local->first < local->starts[0])
        return likely(gpa - local->first < local->starts[size]) ? local : NULL;
    return bus_remembered(&vcpu->vm->mmio, gpa, size);
}

/*
 * vm_memory_read and vm_memory_write in few instructions, where such a range is at hand. What is read is
 * stored at `to`, zero-extended to 64 bits.
 */
static inline void vm_memory_read_quick(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t *to)
{
    const struct bus_range *range = vm_range_at(vcpu, gpa, size);

    if (unlikely(!range)) {
        *to = vm_memory_read(vcpu, gpa, size);
        return;
    }
    if (STATS_COUNTED)
        vcpu->stat_at = range->stat_at;
    if (unlikely(!bus_device_read(range, gpa, size, to)))
        *to = vm_memory_missed(vcpu, gpa, size);
}

static inline void vm_memory_write_quick(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
    const struct bus_range *range = vm_range_at(vcpu, gpa, size);

    if (unlikely(!range)) {
        vm_memory_write(vcpu, gpa, size, value);
        return;
    }
    if (STATS_COUNTED)
        vcpu->stat_at = range->stat_at;
    if (unlikely(!bus_device_write(range, gpa, size, value)))
        vm_memory_missed(vcpu, gpa, size);
}
