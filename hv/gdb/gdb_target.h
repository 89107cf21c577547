/* What GDB does to a VM's vCPUs and memory: the operations of a gdb_target that look and change. */
#pragma once

#include "hv/event/guest_debug.h"
#include "hv/gdb/gdb_server.h"

struct vm;

/* The `target` of these operations. */
struct gdb_view {
    unsigned number; /* of the VM that GDB sees */
    struct vm *vm;   /* while GDB is attached to it */
    struct vm_debug debug;
};

/* With these, and nothing of resuming and stopping. */
extern const struct gdb_target gdb_target_access;

/* Nothing of GDB's is left in the VM, which stands still: no breakpoint, no point, no step. false: it does
 * not stand still. */
bool gdb_target_release(struct gdb_view *view);
