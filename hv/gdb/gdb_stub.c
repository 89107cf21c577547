#include "hv/gdb/gdb_stub.h"

#include "hv/event/guest_debug.h"
#include "hv/gdb/gdb_port.h"
#include "hv/gdb/gdb_target.h"
#include "hv/host/cpu.h"
#include "hv/lib/string.h"
#include "hv/life/life.h"
#include "hv/run/work.h"
#include "hv/vm/vm.h"

#define SIGNAL_INTERRUPT 2
#define SIGNAL_TRAP      5
#define SIGNAL_KILLED    9
#define SIGNAL_CRASH     11 /* a segmentation fault: GDB has none for a triple fault */

/* Bytes that are heard before others have their turn on the boot core. */
#define BYTES_A_TURN     256

void (*gdb_monitor)(const char *line, struct writer *out);

/*
 * All of it happens on the boot core between two vCPUs, by `work`. vCPUs and the lives of VMs leave what GDB
 * is to be told under `lock` and post the work.
 */
static struct stub {
    struct gdb_server server;
    struct gdb_view view;
    struct work work;
    struct spinlock serving;                                 /* whoever serves, or ends the machine */
    bool serves;                                             /* the boot core does */
    enum { LEAVES_NOT, LEAVES_RUNNING, LEAVES_DEAD } leaves; /* the VM, as soon as it stands still */

    struct spinlock lock;
    bool stopping; /* it is to stand still, for this reason */
    struct gdb_stop stop;
    bool ended; /* the VM that GDB is attached to, and so */
    struct gdb_stop end;
} stub;

static void look(void)
{
    work_post(0, &stub.work);
}

/* The VM is to stand still; GDB is told why as soon as it does. The first reason counts. */
static void stop_for(const struct gdb_stop *stop)
{
    bool first;

    spin_lock(&stub.lock);
    first = !stub.stopping;
    if (first) {
        stub.stopping = true;
        stub.stop = *stop;
    }
    spin_unlock(&stub.lock);
    if (!first)
        return;
    life_pause(stub.view.number);
    look();
}

/* At a vCPU's exit, on its core. */
static void vcpu_stopped(struct vcpu *vcpu, enum debug_why why, const struct debug_point *point)
{
    struct gdb_stop stop = {.kind = why == DEBUG_STEPPED ? GDB_STOPPED : GDB_HIT,
                            .signal = SIGNAL_TRAP,
                            .thread = vcpu->id + 1,
                            .point = GDB_SOFTWARE};

    if (point) {
        stop.point = point->access == DEBUG_ON_EXECUTION ? GDB_HARDWARE
                     : point->access == DEBUG_ON_WRITE   ? GDB_WATCH_WRITE
                                                         : GDB_WATCH_ACCESS;
        stop.address = point->address;
    }
    stop_for(&stop);
}

static void vm_crashed(struct vcpu *vcpu)
{
    stop_for(&(struct gdb_stop){.kind = GDB_STOPPED, .signal = SIGNAL_CRASH, .thread = vcpu->id + 1});
}

static void vm_ended(struct vm *vm)
{
    struct gdb_stop end = {.kind = GDB_KILLED, .signal = SIGNAL_KILLED};

    if (vm->end == VM_EXITED || vm->end == VM_POWERED_OFF)
        end = (struct gdb_stop){.kind = GDB_EXITED, .signal = vm->end == VM_EXITED ? (uint8_t)vm->status : 0};
    else if (vm->end == VM_CRASHED)
        end.signal = SIGNAL_CRASH;
    spin_lock(&stub.lock);
    stub.ended = true;
    stub.end = end;
    spin_unlock(&stub.lock);
    look();
}

static void vm_changed(unsigned number)
{
    if (number == stub.view.number)
        look();
}

static struct vm *find_vm(void)
{
    struct life_info info;

    return life_info(stub.view.number, &info) ? info.vm : NULL;
}

/* Makes an event this core's, if there is one: of a stop, or of the end of the VM. */
static bool take(bool *flag, const struct gdb_stop *of, struct gdb_stop *event)
{
    bool there;

    spin_lock(&stub.lock);
    there = *flag;
    *event = *of;
    *flag = false;
    spin_unlock(&stub.lock);
    return there;
}

/* The target's operations that are not gdb_target.c's. */

static void attach(void *target)
{
    struct gdb_view *view = target;

    if (view->vm)
        gdb_target_release(view);
    memset(&view->debug, 0, sizeof(view->debug));
    view->debug.stopped = vcpu_stopped;
    view->debug.crashed = vm_crashed;
    view->debug.ended = vm_ended;
    view->vm = find_vm();
    debug_attach(view->vm, &view->debug);
}

static void resume(void *target, const uint8_t *what)
{
    struct gdb_view *view = target;
    uint64_t which = 0;

    if (!view->vm || !life_still(view->number))
        return; /* it has ended, or goes on already: what comes of that is told */
    for (unsigned i = 0; i < view->vm->vcpu_count; i++) {
        debug_give_up_step(view->vm->vcpus[i]);
        if (what[i] == GDB_STEP)
            debug_step(view->vm->vcpus[i]);
        if (what[i] != GDB_STAY)
            which |= BIT(i);
    }
    life_resume_some(view->number, which);
}

static void interrupt(void *target)
{
    (void)target;
    stop_for(&(struct gdb_stop){.kind = GDB_STOPPED, .signal = SIGNAL_INTERRUPT, .thread = 1});
}

/* Returns whether GDB has left the VM, which may have to come to stand still for that. A stop that nobody
 * waits for is none. */
static bool leave(void)
{
    struct gdb_stop unheard;

    if (!gdb_target_release(&stub.view)) {
        life_pause(stub.view.number);
        return false;
    }
    if (stub.server.state == GDB_AWAY)
        take(&stub.stopping, &stub.stop, &unheard);
    if (stub.leaves == LEAVES_DEAD)
        life_stop(stub.view.number);
    else
        life_resume(stub.view.number);
    stub.leaves = LEAVES_NOT;
    return true;
}

static void detach(void *target, bool kill)
{
    (void)target;
    if (!stub.view.vm)
        return;
    stub.leaves = kill ? LEAVES_DEAD : LEAVES_RUNNING;
    leave();
}

/* Another VM: GDB has to connect again, since it does not expect its threads to change. */
static void choose_vm(const char *name, struct writer *out)
{
    unsigned number = life_find(name);

    if (!number) {
        print_to(out, "There is no VM named \"%s\".\n", name);
        return;
    }
    if (stub.view.vm && !life_still(stub.view.number)) {
        print_to(out, "The VM that GDB sees was let go on by somebody else: interrupt it first.\n");
        return;
    }
    gdb_server_leave(&stub.server);
    detach(&stub.view, false);
    stub.view.number = number;
    print_to(out, "The next connection sees %s: `disconnect` and connect again.\n", name);
}

static void command(void *target, const char *line, struct writer *out)
{
    (void)target;
    if (strncmp(line, "vm ", 3) == 0)
        choose_vm(line + 3, out);
    else if (gdb_monitor)
        gdb_monitor(line, out);
    else
        print_to(out, "vm NAME: which VM the next connection sees\n");
}

static struct gdb_target operations;

/* The VM stands still now, or has ended: GDB is told, and what was to be done then is done. */
static void look_at_vm(void)
{
    struct gdb_stop event;

    if (take(&stub.ended, &stub.end, &event)) {
        stub.view.vm = NULL;
        stub.leaves = LEAVES_NOT;
        gdb_server_stopped(&stub.server, &event);
        take(&stub.stopping, &stub.stop, &event);
    }
    if (stub.leaves && !leave())
        return;
    if (!stub.stopping)
        return;
    if (!find_vm()) {
        take(&stub.stopping, &stub.stop, &event);
        gdb_server_stopped(&stub.server, &(struct gdb_stop){.kind = GDB_EXITED});
    } else if (life_still(stub.view.number)) {
        take(&stub.stopping, &stub.stop, &event);
        gdb_server_stopped(&stub.server, &event);
    } else {
        life_pause(stub.view.number); /* it was reset, or begins only now */
    }
}

/* Whether the server may be told something more: it says one packet then at most. */
static bool has_room(void)
{
    return gdb_port_room() >= GDB_LINK_ROOM;
}

static bool hears(void)
{
    return has_room() && !gdb_server_busy(&stub.server);
}

/* Returns whether there may be more to hear. */
static bool hear(void)
{
    for (unsigned i = 0; i < BYTES_A_TURN; i++) {
        int byte = hears() ? gdb_port_get() : -1;

        if (byte < 0)
            return false;
        gdb_server_byte(&stub.server, (uint8_t)byte);
        gdb_port_send();
    }
    return true;
}

static void serve(struct work *work)
{
    bool more;

    (void)work;
    spin_lock(&stub.serving);
    stub.serves = true;
    gdb_port_send();
    if (has_room())
        look_at_vm();
    if (has_room())
        gdb_server_go_on(&stub.server);
    more = hear() || (gdb_server_busy(&stub.server) && has_room());
    gdb_port_send();
    gdb_port_listen(hears());
    stub.serves = false;
    spin_unlock(&stub.serving);
    if (more)
        look();
}

void gdb_finish(void)
{
    struct gdb_stop end = {.kind = GDB_EXITED};
    bool inside = this_cpu()->index == 0 && stub.serves; /* by a command of GDB's */

    if (!gdb_port())
        return;
    if (!inside)
        spin_lock(&stub.serving);
    take(&stub.ended, &stub.end, &end);
    gdb_server_stopped(&stub.server, &end);
    gdb_port_drain();
    if (!inside)
        spin_unlock(&stub.serving);
}

void gdb_start(const struct serial *port)
{
    memset(&stub, 0, sizeof(stub));
    stub.view.number = 1;
    stub.work.run = serve;
    operations = gdb_target_access;
    operations.attach = attach;
    operations.resume = resume;
    operations.interrupt = interrupt;
    operations.detach = detach;
    operations.command = command;
    gdb_server_init(&stub.server, &operations, &stub.view, gdb_port_put, NULL);
    life_changed = vm_changed;
    gdb_port_open(port, look);
}
