#include "hv/life/create.h"
#include "hv/life/config_modules.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/event/guest_debug.h"
#include "hv/exit/processor.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/load/guest_map.h"
#include "hv/load/start.h"
#include "hv/run/sched.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/virt.h"

const struct life_recorder *life_recorder;

/* Says why the VM cannot be started; returns false. */
PRINTF_LIKE(2, 3)
static bool refuse(struct life *life, const char *format, ...)
{
    char reason[256];
    struct text_buffer buffer;
    va_list arguments;

    text_buffer_init(&buffer, reason, sizeof(reason));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    log_line("vm %s: not started: %s", life->config->name, reason);
    format_text(life->why, sizeof(life->why), "not started: %s", reason);
    life->refused = true;
    return false;
}

/* Cuts [offset, offset + size) of a piece at the border of the regions. */
static bool back(struct vm *vm, uint64_t offset, hpa_t physical, uint64_t size)
{
    for (unsigned i = 0; i < vm->memory.count; i++) {
        const struct guest_region *region = &vm->memory.regions[i];
        uint64_t begin = guest_map_offset(region->first);
        uint64_t first = MAX(begin, offset), end = MIN(begin + region->size, offset + size);

        if (first >= end)
            continue;
        if (vm->backing_count == ARRAY_LENGTH(vm->backing))
            return false;
        vm->backing[vm->backing_count++] =
            (struct vm_backing){guest_map_address(first), physical + (first - offset), end - first};
    }
    return true;
}

static bool create_memory(struct life *life)
{
    struct vm *vm = &life->vm;
    uint64_t offset = 0;

    vm->memory.count = guest_map_split(life->config->memory, vm->memory.regions);
    for (unsigned i = 0; i < vm->memory.count; i++)
        vm->memory.regions[i].host = (uint8_t *)GUEST_WINDOW + vm->memory.regions[i].first;
    life->piece_count =
        (unsigned)guest_memory_allocate(host_frames(), life->config->memory, life->pieces, VM_PIECES_MOST);
    if (!life->piece_count) {
        struct memory_counts counts = memory_count(host_frames());

        return refuse(
            life,
            "%lu MiB of memory wanted, %lu MiB of %lu MiB for guests are free: give the VM less, or "
            "the machine more",
            life->config->memory / MIB(1), counts.guest_free / MIB(1), counts.guest_total / MIB(1));
    }
    for (unsigned i = 0; i < life->piece_count; i++) {
        if (!back(vm, offset, life->pieces[i].first, life->pieces[i].size))
            return false;
        offset += life->pieces[i].size;
    }
    if (!guest_space_create(&vm->space))
        return false;
    for (unsigned i = 0; i < vm->backing_count; i++)
        if (!guest_space_map(&vm->space, vm->backing[i].gpa, vm->backing[i].physical, vm->backing[i].size))
            return false;
    return virt->lifecycle.vm_create(vm);
}

#define CLEARED_AT_ONCE MIB(2) /* what a core with other vCPUs can spare */

bool life_clear(struct life *life)
{
    struct vm *vm = &life->vm;
    uint64_t before = 0, left = CLEARED_AT_ONCE;

    paging_use(vm->space.root);
    for (unsigned i = 0; i < vm->memory.count && left; i++) {
        const struct guest_region *region = &vm->memory.regions[i];
        uint64_t done = MIN(life->cleared - before, region->size), size = MIN(region->size - done, left);

        memset((uint8_t *)region->host + done, 0, size);
        life->cleared += size;
        left -= size;
        before += region->size;
    }
    paging_use(paging_root());
    return left;
}

/* `serial = com2` and the like: a physical port for this VM alone. */
static bool open_port(struct life *life)
{
    unsigned number = life->config->serial - SERIAL_COM2 + 2;
    struct serial *port = &serial_ports[number - 1];
    const char *user = serial_claim(port, "another VM's");

    if (user)
        return refuse(life, "COM%u is %s: give one of the two another port", number, user);
    life->console.own = port;
    if (!serial_init(port, 115200))
        return refuse(life, "no UART answers at COM%u", number);
    life->console.held = -1;
    console_listen(port);
    return true;
}

static bool create_board(struct life *life)
{
    struct vm *vm = &life->vm;
    const struct serial_backend console = {life->put, &life->console}, none = {0};
    const struct serial_backend *backend = life->config->serial == SERIAL_NONE ? &none : &console;
    struct paging_audit audit = paging_audit(&vm->space);

    if (audit.writable_and_executable)
        panic("vm %s: %lu of %lu pages mapped for it are writable and executable", vm->name,
              audit.writable_and_executable, audit.pages);
    if (life->config->serial >= SERIAL_COM2 && !open_port(life))
        return false;

    if (life->config->testdev && !(vm->test_memory = host_allocate(VM_TEST_MEMORY)))
        return false;
    life->devices_size = life->board->size(life->config->vcpus);
    life->devices = host_allocate(life->devices_size);
    if (!life->devices || !life->board->create(vm, life->devices, backend, &life->limits))
        return false;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (!processor_connect(vm->vcpus[i], life->board->msr_ranges))
            return false;
    if (!stats_create(vm))
        return false;
    life->console.vm = vm;
    life->console.name = vm->name;
    life->console.number = vm->id;
    life->console.input = life->board->serial_input;
    life->console.ready = life->board->serial_ready;
    if (backend == &console)
        console_attach(&life->console); /* now: numbers and places are in the order of the file */
    return true;
}

/*
 * Every vCPU as after RESET, the boot one where the loader wants it. The board is reset before: lines that
 * fall and rise by that may still ask vCPUs for something, as the guest had wired them.
 */
static void reset_vcpus(struct life *life, const struct entry_state *entry)
{
    struct vm *vm = &life->vm;
    uint64_t clock_at_zero = clock_now();

    life->board->reset(vm);
    if (entry->mode == ENTRY_REAL)
        life->board->open_irqs(vm);
    debug_forget_breakpoints(vm);
    stats_reset(vm);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *vcpu = vm->vcpus[i];

        processor_reset(vcpu, &life->limits, clock_at_zero);
        if (i == 0)
            start_vcpu(vcpu, entry);
        processor_settle(vcpu);
        vcpu->activity = i == 0 ? VCPU_RUNNABLE : VCPU_WAIT_FOR_SIPI;
    }
}

bool life_load(struct life *life)
{
    struct vm *vm = &life->vm;
    struct load_request request;
    struct entry_state entry = {0};
    char reason[200];
    bool loaded;

    paging_use(vm->space.root);
    config_load_request(life->config, start_tables(vm), &request);
    loaded = load_guest(&vm->memory, &request, &entry, reason, sizeof(reason));
    paging_use(paging_root());
    if (!loaded)
        return refuse(life, "%s", reason);
    if (life->recorded)
        life_recorder->starts(vm, &entry);
    reset_vcpus(life, &entry);
    if (life->recorded)
        life_recorder->started(vm);
    return true;
}

/* All cores but the spared ones, or all where those alone run guests. */
static void choose_any(struct vm *vm)
{
    memset(vm->cores, 0xff, sizeof(vm->cores));
    for (unsigned core = 0; core < cpu_count; core++)
        if (cpus[core]->spared)
            bitmap_clear(vm->cores, core);
    if (!sched_may_run(vm))
        memset(vm->cores, 0xff, sizeof(vm->cores));
}

/* The cores that `cpus` names, or any; never one that could not turn virtualization on. */
static bool choose_cores(struct life *life)
{
    const uint64_t *named = life->config->cpus;
    struct vm *vm = &life->vm;
    bool any = true;

    for (unsigned i = 0; i < CONFIG_CPUS / 64; i++)
        any = any && !named[i];
    memcpy(vm->cores, named, sizeof(life->config->cpus));
    if (any)
        choose_any(vm);
    if (life->recorded) {
        memset(vm->cores, 0, sizeof(vm->cores));
        vm->cores[0] = 1;
    }
    if (!sched_may_run(vm))
        return refuse(life, "none of the cores that `cpus` names is there; the machine has 0 to %u",
                      cpu_count - 1);
    return sched_add_vm(vm, life->config->weight, life->config->cap);
}

void life_destroy(struct life *life)
{
    struct vm *vm = &life->vm;

    if (life->recorded)
        life_recorder->close(life);
    console_detach(&life->console);
    if (life->console.own)
        serial_release(life->console.own);
    if (life->devices) {
        if (vm->board)
            life->board->stop(vm); /* once more: what was typed until now may have armed a timer */
        host_free(life->devices, life->devices_size);
    }
    sched_remove_vm(vm); /* behind the last timer, whose time is charged to the VM */
    if (vm->test_memory)
        host_free(vm->test_memory, VM_TEST_MEMORY);
    vm->test_memory = NULL;
    for (unsigned i = 0; i < VM_VCPUS_MOST; i++)
        if (vm->vcpus[i]) {
            stats_destroy(vm, vm->vcpus[i]);
            processor_destroy(vm->vcpus[i]);
        }
    virt->lifecycle.vm_destroy(vm);
    if (vm->space.root)
        table_destroy(&vm->space);
    if (life->piece_count)
        guest_memory_free(host_frames(), life->pieces, life->piece_count);
    life->piece_count = 0;
    life->devices = NULL;
}

static bool make_parts(struct life *life)
{
    const struct processor_plan plan = {
        .vcpus = life->config->vcpus, .limits = &life->limits, .cpuid = life->cpuid, .alone = life->recorded};
    struct vm *vm = &life->vm;
    const char *missing;

    if (!create_memory(life))
        return false;
    for (unsigned i = 0; i < life->config->vcpus; i++)
        if (!processor_create(vm, i, &plan))
            return false;
    vm->vcpu_count = life->config->vcpus;
    missing = cpuid_wanted_missing(&life->limits.choice, vm->vcpus[0]);
    if (missing)
        return refuse(life, "cpuid = +%s: this machine has it not, or Keel has no use of it for a VM",
                      missing);
    return choose_cores(life) && create_board(life);
}

bool life_create(struct life *life)
{
    struct vm *vm = &life->vm;
    const char *refusal;

    memset(vm, 0, sizeof(*vm));
    memset(&life->console, 0, sizeof(life->console));
    vm->id = life->number;
    vm->life = life;
    vm->symbols = life->config->symbols_module;
    memcpy(vm->name, life->config->name, sizeof(vm->name));
    life->refused = false;
    life->cleared = 0;
    life->limits.choice = life->config->cpuid_choice;
    processor_limits(&life->limits);
    life->recorded = false;
    life->cpuid = native_cpuid;
    life->put = console_vm_put;
    refusal = life_recorder ? life_recorder->open(life) : NULL;
    if (refusal)
        return refuse(life, "%s", refusal);
    if (make_parts(life)) {
        if (life->recorded)
            life_recorder->created(vm);
        return true;
    }
    if (!life->refused)
        refuse(life, "Keel has no memory left for it: give the machine more");
    life_destroy(life);
    return false;
}
