#include "hv/debug/gdb_stub.h"

#include "hv/debug/gdb_server.h"
#include "hv/debug/monitor.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/lib/string.h"
#include "hv/vm/guest_debug.h"
#include "hv/vm/life.h"
#include "hv/vm/virt.h"
#include "hv/vm/work.h"

#define SIGNAL_INTERRUPT    2
#define SIGNAL_TRAP         5
#define LOOKS_A_SECOND      1000 /* whether a VM that was paused stands still */
#define IA32_KERNEL_GS_BASE 0xc0000102

void (*gdb_monitor)(const char *line, struct writer *out);

static struct stub {
    struct gdb_server server;
    const struct serial *port;
    struct work work;
    struct timer again;
    unsigned number; /* of the VM that GDB sees */
    struct vm *vm;   /* while GDB is attached to it */
    struct vm_debug debug;
    struct spinlock lock; /* of the next two, which vCPUs set */
    bool stopping;        /* it was asked to pause, for this reason */
    struct gdb_stop stop;
    bool ended; /* the VM, and GDB does not know it yet */
} stub;

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
    if (first) {
        life_pause(stub.number);
        work_post(0, &stub.work);
    }
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

static void vm_ended(struct vm *vm)
{
    if (vm != stub.vm)
        return;
    stub.ended = true;
    work_post(0, &stub.work);
}

static struct vm *find_vm(void)
{
    struct life_info info;

    return life_info(stub.number, &info) ? info.vm : NULL;
}

static void attach(void)
{
    if (stub.vm)
        return;
    memset(&stub.debug, 0, sizeof(stub.debug));
    stub.debug.stopped = vcpu_stopped;
    stub.debug.ended = vm_ended;
    stub.vm = find_vm();
    debug_attach(stub.vm, &stub.debug);
}

/* Makes the vCPU, whose VM stands still, this core's. */
static struct vcpu *load(unsigned thread)
{
    struct vcpu *vcpu = stub.vm && thread <= stub.vm->vcpu_count ? stub.vm->vcpus[thread - 1] : NULL;

    if (vcpu)
        monitor_load(vcpu);
    return vcpu;
}

/* The target's operations. */

static bool wide(void *target)
{
    struct vcpu *vcpu = load(1);
    bool is_wide = vcpu && vcpu_get(vcpu, REG_EFER) & EFER_LMA;

    (void)target;
    if (vcpu)
        monitor_unload(vcpu);
    return is_wide || !vcpu;
}

static unsigned threads(void *target)
{
    (void)target;
    return stub.vm ? stub.vm->vcpu_count : 1;
}

static void describe(void *target, unsigned thread, struct writer *out)
{
    static const char *const names[] = {"runs", "halted", "waits for SIPI", "off"};

    (void)target;
    if (stub.vm && thread <= stub.vm->vcpu_count)
        print_to(out, "vcpu %u, %s", thread - 1, names[stub.vm->vcpus[thread - 1]->activity]);
}

/* In GDB's order. */
static const uint8_t segment_order[6] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};

static bool get(void *target, unsigned thread, struct gdb_registers *out)
{
    struct vcpu *vcpu = load(thread);

    (void)target;
    memset(out, 0, sizeof(*out));
    if (!vcpu)
        return false;
    for (unsigned i = 0; i < 16; i++)
        out->general[i] = vcpu_get(vcpu, (enum vcpu_reg)i);
    for (unsigned i = 0; i < 6; i++)
        out->segments[i] = vcpu_get_segment(vcpu, segment_order[i]).selector;
    out->rip = vcpu_get(vcpu, REG_RIP);
    out->rflags = vcpu_get(vcpu, REG_RFLAGS);
    out->fs_base = vcpu_get_segment(vcpu, SEG_FS).base;
    out->gs_base = vcpu_get_segment(vcpu, SEG_GS).base;
    virt->get_msr(vcpu, IA32_KERNEL_GS_BASE, &out->kernel_gs_base);
    out->cr0 = vcpu_get(vcpu, REG_CR0);
    out->cr2 = vcpu_get(vcpu, REG_CR2);
    out->cr3 = vcpu_get(vcpu, REG_CR3);
    out->cr4 = vcpu_get(vcpu, REG_CR4);
    out->cr8 = vcpu->interrupts.get_tpr(vcpu->interrupts.state);
    out->efer = vcpu_get(vcpu, REG_EFER);
    monitor_unload(vcpu); /* puts x87 and SSE state into its area */
    gdb_take_fpu(out, vcpu->native.xsave);
    return true;
}

static bool set(void *target, unsigned thread, const struct gdb_registers *in)
{
    static const enum vcpu_segment based[2] = {SEG_FS, SEG_GS};
    struct vcpu *vcpu = load(thread);

    (void)target;
    if (!vcpu)
        return false;
    for (unsigned i = 0; i < 16; i++)
        vcpu_set(vcpu, (enum vcpu_reg)i, in->general[i]);
    vcpu_set(vcpu, REG_RIP, in->rip);
    vcpu_set(vcpu, REG_RFLAGS,
             (in->rflags & ~RFLAGS_VM) | RFLAGS_1 | (vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_VM));
    for (unsigned i = 0; i < 2; i++) {
        struct segment segment = vcpu_get_segment(vcpu, based[i]);

        segment.base = i ? in->gs_base : in->fs_base;
        vcpu_set_segment(vcpu, based[i], &segment);
    }
    monitor_unload(vcpu);
    gdb_give_fpu(in, vcpu->native.xsave);
    return true;
}

static size_t read_memory(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count)
{
    struct vcpu *vcpu = load(thread);
    size_t done = vcpu ? debug_read(vcpu, address, bytes, count) : 0;

    (void)target;
    if (vcpu)
        monitor_unload(vcpu);
    return done;
}

static size_t write_memory(void *target, unsigned thread, uint64_t address, const uint8_t *bytes,
                           size_t count)
{
    struct vcpu *vcpu = load(thread);
    size_t done = vcpu ? debug_write(vcpu, address, bytes, count) : 0;

    (void)target;
    if (vcpu)
        monitor_unload(vcpu);
    return done;
}

/* As GDB numbers its kinds; silicon has no breakpoint on reads alone. */
static const int8_t accesses[GDB_POINTS] = {
    [GDB_SOFTWARE] = -1,   [GDB_HARDWARE] = DEBUG_ON_EXECUTION,  [GDB_WATCH_WRITE] = DEBUG_ON_WRITE,
    [GDB_WATCH_READ] = -1, [GDB_WATCH_ACCESS] = DEBUG_ON_ACCESS,
};

static bool insert(void *target, enum gdb_point point, uint64_t address, unsigned length)
{
    struct vcpu *vcpu;
    bool done;

    (void)target;
    if (!stub.vm || point == GDB_WATCH_READ)
        return false;
    if (point != GDB_SOFTWARE)
        return debug_insert(stub.vm, (enum debug_access)accesses[point], address,
                            point == GDB_HARDWARE ? 1 : length);
    vcpu = load(stub.server.thread);
    done = vcpu && debug_set_breakpoint(vcpu, address);
    if (vcpu)
        monitor_unload(vcpu);
    return done;
}

/* A breakpoint that is gone with the memory that it was in is no error. */
static bool take_out(void *target, enum gdb_point point, uint64_t address, unsigned length)
{
    struct vcpu *vcpu;

    (void)target;
    if (!stub.vm || point == GDB_WATCH_READ)
        return false;
    if (point != GDB_SOFTWARE)
        return debug_remove(stub.vm, (enum debug_access)accesses[point], address,
                            point == GDB_HARDWARE ? 1 : length);
    vcpu = load(stub.server.thread);
    if (vcpu) {
        debug_clear_breakpoint(vcpu, address);
        monitor_unload(vcpu);
    }
    return true;
}

static void look_again(void)
{
    timer_arm(&stub.again, clock_now() + clock_hz() / LOOKS_A_SECOND);
}

/* The VM that GDB sees has ended: it is not there to be looked at. */
static void tell_end(void)
{
    stub.vm = NULL;
    stub.stopping = stub.ended = false;
    gdb_server_stopped(&stub.server, &(struct gdb_stop){.kind = GDB_ENDED});
}

static bool is_off(void)
{
    struct life_info info;

    return !life_info(stub.number, &info) || !info.vm;
}

static void resume(void *target, const uint8_t *what)
{
    uint64_t which = 0;

    (void)target;
    if (!stub.vm) {
        tell_end();
        return;
    }
    for (unsigned i = 0; i < stub.vm->vcpu_count; i++) {
        debug_give_up_step(stub.vm->vcpus[i]);
        if (what[i] == GDB_STEP)
            debug_step(stub.vm->vcpus[i]);
        if (what[i] != GDB_STAY)
            which |= BIT(i);
    }
    stub.stopping = false;
    life_resume_some(stub.number, which);
}

static void interrupt(void *target)
{
    (void)target;
    if (is_off()) {
        tell_end();
        return;
    }
    stop_for(&(struct gdb_stop){.kind = GDB_STOPPED, .signal = SIGNAL_INTERRUPT, .thread = 1});
}

/* The VM is as if nobody had looked; it has to stand still, or to be gone. */
static void let_go(void)
{
    struct vcpu *vcpu = load(1);

    if (!vcpu)
        return;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS_MOST; i++)
        if (stub.debug.breakpoints[i].used)
            debug_clear_breakpoint(vcpu, stub.debug.breakpoints[i].address);
    monitor_unload(vcpu);
    for (unsigned i = 0; i < stub.vm->vcpu_count; i++)
        debug_give_up_step(stub.vm->vcpus[i]);
    debug_detach(stub.vm);
    stub.vm = NULL;
}

static void detach(void *target, bool kill)
{
    (void)target;
    let_go();
    stub.stopping = false;
    if (kill)
        life_stop(stub.number);
    life_resume(stub.number);
}

/* Another VM: GDB has to connect again, since it does not expect its threads to change. */
static void choose_vm(const char *name, struct writer *out)
{
    unsigned number = life_find(name);

    if (!number) {
        print_to(out, "There is no VM named \"%s\".\n", name);
        return;
    }
    detach(NULL, false);
    stub.number = number;
    stub.server.running = true;
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

static const struct gdb_target operations = {
    .wide = wide,
    .threads = threads,
    .describe = describe,
    .get = get,
    .set = set,
    .read = read_memory,
    .write = write_memory,
    .insert = insert,
    .remove = take_out,
    .resume = resume,
    .interrupt = interrupt,
    .detach = detach,
    .command = command,
};

/* Typed bytes, and whether the VM has come to stand still, or has ended. */
static void serve(struct work *work)
{
    int byte;

    (void)work;
    if (stub.stopping && life_still(stub.number)) {
        attach();
        gdb_server_stopped(&stub.server, &stub.stop);
        stub.stopping = false;
    } else if (stub.ended || (stub.stopping && is_off())) {
        tell_end();
    }
    while ((byte = serial_get(stub.port)) >= 0)
        gdb_server_byte(&stub.server, (uint8_t)byte);
    if (stub.stopping)
        look_again();
}

static void time_to_look(struct timer *timer)
{
    (void)timer;
    work_post(0, &stub.work);
}

static void heard(void)
{
    work_post(0, &stub.work);
}

static void put(void *owner, uint8_t byte)
{
    serial_put(owner, byte);
}

void gdb_finish(void)
{
    if (!stub.port)
        return;
    if (stub.vm || stub.stopping)
        tell_end();
    serial_drain(stub.port);
}

void gdb_start(const struct serial *port)
{
    stub.port = port;
    stub.number = 1;
    stub.work.run = serve;
    stub.again.expired = time_to_look;
    gdb_server_init(&stub.server, &operations, NULL, put, (void *)(uintptr_t)port);
    interrupts_handle(VECTOR_GDB, heard);
    if (!ioapic_route(port->irq, VECTOR_GDB, cpus[0]->apic_id))
        log_line("gdb: no I/O APIC brings interrupt %u: GDB is not heard at port 0x%lx", port->irq,
                 port->port);
    serial_interrupts_on(port);
}
