#include "hv/life/create.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/event/guest_debug.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/load/acpi.h"
#include "hv/load/guest_map.h"
#include "hv/load/mp_table.h"
#include "hv/run/sched.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/virt.h"
#include "hv/x86/pc.h"

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

/* Cuts one allocation into the parts of a vCPU. */
struct carver {
    uint8_t *next;
};

static void *carve(struct carver *carver, size_t size)
{
    void *part = carver->next;

    carver->next += ALIGN_UP(size, 64);
    return part;
}

#define LOCAL_APIC_RANGES 3

/* The parts of a vCPU, in the order in which they are carved; without `fill` this only adds up the sizes. */
static struct vcpu *lay_out_vcpu(struct carver *carver, bool fill)
{
    struct vcpu *vcpu = carve(carver, sizeof(*vcpu));
    void *cpuid = carve(carver, cpuid_table_size());
    void *msrs = carve(carver, sizeof(struct msr_state));
    void *cache = carve(carver, decode_cache_size());

    if (fill) {
        vcpu->arch.cpuid = cpuid;
        vcpu->arch.msrs = msrs;
        vcpu->arch.decode_cache = cache;
    }
    return vcpu;
}

static size_t vcpu_size(void)
{
    struct carver sizes = {0};

    lay_out_vcpu(&sizes, false);
    carve(&sizes, msr_devices_size());
    carve(&sizes, (msr_range_count() + LOCAL_APIC_RANGES) * sizeof(struct bus_range));
    return (size_t)sizes.next;
}

static bool create_vcpu(struct life *life, unsigned id)
{
    void *memory = host_allocate(vcpu_size());
    struct carver carver = {memory};
    struct vcpu *vcpu;

    if (!memory)
        return false;
    vcpu = lay_out_vcpu(&carver, true);
    vcpu->vm = &life->vm;
    vcpu->id = id;
    life->vm.vcpus[id] = vcpu;
    cpuid_init(vcpu, life->config->vcpus, &life->limits, life->cpuid);
    if (!virt->vcpu_create(vcpu))
        return false;
    if (life->recorded)
        vcpu->arch.apic.post =
            NULL; /* hardware would change the APIC between two exits, and nobody would know when */
    return true;
}

/* The MSR bus needs the board's local APIC: made when both are there. */
static bool create_msr_bus(struct life *life, struct vcpu *vcpu)
{
    struct carver carver = {(uint8_t *)vcpu};
    struct bus_range *ranges;
    unsigned count = msr_range_count();
    void *devices;

    lay_out_vcpu(&carver, false);
    devices = carve(&carver, msr_devices_size());
    ranges = carve(&carver, (count + LOCAL_APIC_RANGES) * sizeof(struct bus_range));
    msr_ranges(vcpu, devices, ranges);
    count += life->board->msr_ranges(vcpu, ranges + count);
    return bus_init(&vcpu->msr_bus, "msr", ranges, count) &&
           bus_init(&vcpu->hypercall_bus, "hypercall", NULL, 0);
}

/* RAM below the PCI hole is backed from offset 0 on, the rest from 4 GiB on: alignment is kept, large pages
 * fit. */
static gpa_t backing_gpa(uint64_t offset)
{
    return offset < PC_PCI_HOLE ? offset : offset - PC_PCI_HOLE + GIB(4);
}

/* Cuts [offset, offset + size) of a piece at the border of the regions. */
static bool back(struct vm *vm, uint64_t offset, hpa_t physical, uint64_t size)
{
    for (unsigned i = 0; i < vm->memory.count; i++) {
        const struct guest_region *region = &vm->memory.regions[i];
        uint64_t begin = region->first < GIB(4) ? region->first : region->first - GIB(4) + PC_PCI_HOLE;
        uint64_t first = MAX(begin, offset), end = MIN(begin + region->size, offset + size);

        if (first >= end)
            continue;
        if (vm->backing_count == ARRAY_LENGTH(vm->backing))
            return false;
        vm->backing[vm->backing_count++] =
            (struct vm_backing){backing_gpa(first), physical + (first - offset), end - first};
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
    vm->arch.host_cr3 = vm->space.root;
    for (unsigned i = 0; i < vm->backing_count; i++)
        if (!guest_space_map(&vm->space, vm->backing[i].gpa, vm->backing[i].physical, vm->backing[i].size))
            return false;
    return virt->vm_create(vm);
}

#define CLEARED_AT_ONCE MIB(2) /* what a core with other vCPUs can spare */

bool life_clear(struct life *life)
{
    struct vm *vm = &life->vm;
    uint64_t before = 0, left = CLEARED_AT_ONCE;

    write_cr3(vm->arch.host_cr3);
    for (unsigned i = 0; i < vm->memory.count && left; i++) {
        const struct guest_region *region = &vm->memory.regions[i];
        uint64_t done = MIN(life->cleared - before, region->size), size = MIN(region->size - done, left);

        memset((uint8_t *)region->host + done, 0, size);
        life->cleared += size;
        left -= size;
        before += region->size;
    }
    write_cr3(paging_root());
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
        if (!create_msr_bus(life, vm->vcpus[i]))
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

static void set_entry(struct vcpu *vcpu, const struct entry_state *entry)
{
    struct segment code = {.selector = entry->cs, .limit = UINT32_MAX, .attributes = 0x9b | SEG_G | SEG_P};
    struct segment data = {.selector = entry->ds, .limit = UINT32_MAX, .attributes = 0x93 | SEG_G | SEG_DB};
    struct segment table = {.base = entry->gdt, .limit = entry->gdt_limit};

    vcpu_set(vcpu, REG_RIP, entry->rip);
    vcpu_set(vcpu, REG_RSP, entry->rsp);
    vcpu->arch.gpr[REG_RAX] = entry->rax;
    vcpu->arch.gpr[REG_RBX] = entry->rbx;
    vcpu->arch.gpr[REG_RSI] = entry->rsi;
    vcpu->arch.gpr[REG_RDI] = entry->rdi;
    if (entry->mode == ENTRY_REAL) {
        code = (struct segment){
            .selector = entry->cs, .base = (uint64_t)entry->cs << 4, .limit = 0xffff, .attributes = 0x9b};
        data = (struct segment){
            .selector = entry->ds, .base = (uint64_t)entry->ds << 4, .limit = 0xffff, .attributes = 0x93};
    } else {
        code.attributes |= entry->mode == ENTRY_LONG ? SEG_L : SEG_DB;
        vcpu_set_segment(vcpu, SEG_GDTR, &table);
    }
    vcpu_set_segment(vcpu, SEG_CS, &code);
    for (enum vcpu_segment i = SEG_ES; i <= SEG_GS; i++)
        if (i != SEG_CS)
            vcpu_set_segment(vcpu, i, &data);
    data.selector = entry->ss;
    if (entry->mode == ENTRY_REAL)
        data.base = (uint64_t)entry->ss << 4;
    vcpu_set_segment(vcpu, SEG_SS, &data);
    if (entry->mode == ENTRY_LONG) {
        vcpu_set(vcpu, REG_CR4, CR4_PAE);
        vcpu_set(vcpu, REG_CR3, entry->cr3);
        vcpu_set(vcpu, REG_EFER, EFER_LME | EFER_LMA);
    }
    if (entry->mode != ENTRY_REAL)
        vcpu_set(vcpu, REG_CR0, CR0_PE | CR0_ET | CR0_NE | (entry->mode == ENTRY_LONG ? CR0_PG : 0));
}

/*
 * Every vCPU as after RESET, the boot one where the loader wants it. The board is reset before: lines that
 * fall and rise by that may still ask vCPUs for something, as the guest had wired them.
 */
static void reset_vcpus(struct life *life, const struct entry_state *entry)
{
    struct vm *vm = &life->vm;
    uint64_t tsc_offset = -clock_now();

    life->board->reset(vm);
    if (entry->mode == ENTRY_REAL)
        life->board->open_irqs(vm);
    debug_forget_breakpoints(vm);
    stats_reset(vm);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *vcpu = vm->vcpus[i];

        vcpu->arch.tsc_offset = tsc_offset;
        vcpu->arch.event.valid = false;
        vcpu->arch.nmis = 0;
        vcpu->requests = REQUEST_FLUSH;
        debug_reset(vcpu);
        vcpu->arch.code_changed = true;
        native_reset(vcpu);
        msr_reset(vcpu, &life->limits, PC_PCI_HOLE);
        virt->vcpu_load(vcpu);
        virt->vcpu_reset(vcpu);
        if (i == 0)
            set_entry(vcpu, entry);
        vcpu_cpuid_changed(vcpu);
        virt->vcpu_put(vcpu);
        vcpu->activity = i == 0 ? VCPU_RUNNABLE : VCPU_WAIT_FOR_SIPI;
    }
}

/* CPUID as its boot vCPU starts: bit 9 says that its local APIC is enabled. */
static void write_mp_table(struct vm *vm)
{
    const struct cpuid_regs *regs = cpuid_lookup(vm->vcpus[0], 1, 0);

    mp_table_build(&vm->memory, vm->vcpu_count, &(struct mp_processor){regs->eax, regs->edx | BIT(9)});
}

bool life_load(struct life *life)
{
    struct vm *vm = &life->vm;
    struct load_request request;
    struct entry_state entry = {0};
    char reason[200];
    bool loaded;

    write_cr3(vm->arch.host_cr3);
    write_mp_table(vm);
    config_load_request(life->config, acpi_build(&vm->memory, life->config->vcpus), &request);
    loaded = load_guest(&vm->memory, &request, &entry, reason, sizeof(reason));
    write_cr3(paging_root());
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
            virt->vcpu_destroy(vm->vcpus[i]);
            stats_destroy(vm, vm->vcpus[i]);
            host_free(vm->vcpus[i], vcpu_size());
        }
    virt->vm_destroy(vm);
    if (vm->space.root)
        table_destroy(&vm->space);
    if (life->piece_count)
        guest_memory_free(host_frames(), life->pieces, life->piece_count);
    life->piece_count = 0;
    life->devices = NULL;
}

static bool make_parts(struct life *life)
{
    struct vm *vm = &life->vm;
    const char *missing;

    if (!create_memory(life))
        return false;
    for (unsigned i = 0; i < life->config->vcpus; i++)
        if (!create_vcpu(life, i))
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
    virt->limits(&life->limits);
    life->limits.tsc_hz = clock_hz();
    life->limits.tsc_deadline = true;
    life->limits.x2apic = true;
    life->limits.choice = life->config->cpuid_choice;
    cpuid_limit(&life->limits);
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
