#include "hv/gdb/gdb_target.h"

#include "hv/event/guest_debug.h"
#include "hv/lib/string.h"
#include "hv/life/life.h"
#include "hv/show/gdb_vcpu.h"

/*
 * Every access to a vCPU begins here: makes it this core's, if its VM stands still. The monitor, or whoever
 * else gives orders, may have let it go on without GDB's knowing.
 */
static struct vcpu *load(const struct gdb_view *view, unsigned thread)
{
    struct vcpu *vcpu = view->vm && thread ? life_parked(view->number, thread - 1) : NULL;

    if (vcpu)
        vcpu_borrow(vcpu);
    return vcpu;
}

static bool wide(void *target)
{
    struct vcpu *vcpu = load(target, 1);
    bool is_wide = vcpu && gdb_registers_are_wide(vcpu);

    if (vcpu)
        vcpu_return(vcpu);
    return is_wide || !vcpu;
}

static unsigned threads(void *target)
{
    const struct gdb_view *view = target;

    return view->vm ? MAX(view->vm->vcpu_count, 1u) : 1;
}

static void describe(void *target, unsigned thread, struct writer *out)
{
    static const char *const names[] = {"runs", "halted", "waits for SIPI", "off"};
    struct vcpu *vcpu = load(target, thread);

    if (!vcpu)
        return;
    print_to(out, "vcpu %u, %s", thread - 1, names[vcpu->activity]);
    vcpu_return(vcpu);
}

static bool get(void *target, unsigned thread, struct gdb_registers *out)
{
    struct vcpu *vcpu = load(target, thread);

    memset(out, 0, sizeof(*out));
    if (!vcpu)
        return false;
    gdb_registers_take(vcpu, out);
    vcpu_return(vcpu); /* puts x87 and SSE state into its area */
    gdb_registers_take_fpu(vcpu, out);
    return true;
}

static bool set(void *target, unsigned thread, const struct gdb_registers *in)
{
    struct vcpu *vcpu = load(target, thread);
    bool done = vcpu && gdb_registers_give(vcpu, in);

    if (vcpu)
        vcpu_return(vcpu);
    if (done)
        gdb_registers_give_fpu(vcpu, in);
    return done;
}

static size_t read_memory(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count)
{
    struct vcpu *vcpu = load(target, thread);
    size_t done = vcpu ? debug_read(vcpu, address, bytes, count) : 0;

    if (vcpu)
        vcpu_return(vcpu);
    return done;
}

static size_t write_memory(void *target, unsigned thread, uint64_t address, const uint8_t *bytes,
                           size_t count)
{
    struct vcpu *vcpu = load(target, thread);
    size_t done = vcpu ? debug_write(vcpu, address, bytes, count) : 0;

    if (vcpu)
        vcpu_return(vcpu);
    return done;
}

/* As GDB numbers its kinds; silicon has no breakpoint on reads alone. */
static const int8_t accesses[GDB_POINTS] = {
    [GDB_SOFTWARE] = -1,   [GDB_HARDWARE] = DEBUG_ON_EXECUTION,  [GDB_WATCH_WRITE] = DEBUG_ON_WRITE,
    [GDB_WATCH_READ] = -1, [GDB_WATCH_ACCESS] = DEBUG_ON_ACCESS,
};

static bool is_none(const struct gdb_view *view, enum gdb_point point)
{
    return point == GDB_WATCH_READ || !life_parked(view->number, 0) || !view->vm;
}

static bool insert(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length)
{
    struct gdb_view *view = target;
    struct vcpu *vcpu;
    bool done;

    if (is_none(view, point))
        return false;
    if (point != GDB_SOFTWARE)
        return debug_insert(view->vm, (enum debug_access)accesses[point], address,
                            point == GDB_HARDWARE ? 1 : length);
    vcpu = load(view, thread);
    done = vcpu && debug_set_breakpoint(vcpu, address);
    if (vcpu)
        vcpu_return(vcpu);
    return done;
}

/* A breakpoint that is gone with the memory that it was in is no error. */
static bool take_out(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length)
{
    struct gdb_view *view = target;
    struct vcpu *vcpu;

    if (is_none(view, point))
        return false;
    if (point != GDB_SOFTWARE)
        return debug_remove(view->vm, (enum debug_access)accesses[point], address,
                            point == GDB_HARDWARE ? 1 : length);
    vcpu = load(view, thread);
    if (vcpu) {
        debug_clear_breakpoint(vcpu, address);
        vcpu_return(vcpu);
    }
    return vcpu;
}

bool gdb_target_release(struct gdb_view *view)
{
    struct vcpu *vcpu = load(view, 1);

    if (!vcpu)
        return false;
    debug_clear_breakpoints(vcpu);
    vcpu_return(vcpu);
    for (unsigned i = 0; i < view->vm->vcpu_count; i++)
        debug_give_up_step(view->vm->vcpus[i]);
    debug_detach(view->vm);
    view->vm = NULL;
    return true;
}

const struct gdb_target gdb_target_access = {
    .wide = wide,
    .threads = threads,
    .describe = describe,
    .get = get,
    .set = set,
    .read = read_memory,
    .write = write_memory,
    .insert = insert,
    .remove = take_out,
};
