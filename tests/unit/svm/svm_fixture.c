#include "tests/unit/svm/svm_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/cpu/cpuid.h"
#include "hv/crash/crash.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/exit/exit.h"
#include "hv/host/apic.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/paging.h"
#include "hv/vm/nested.h"

struct svm_machine machine;
unsigned svm_asids = 1 << 15;

/* What SVM's files stand on: memory, the core's APIC, and state that stays in the CPU. */

const struct table_format table_format_npt;

const uint32_t msr_native[] = {IA32_FS_BASE, IA32_STAR, 0x174, 0};
static struct msr_state msrs;

unsigned emulate_length(struct vcpu *vcpu, uint64_t rip, uint64_t cr3, uint64_t cs_base, uint32_t attributes)
{
    (void)rip, (void)cr3, (void)cs_base, (void)attributes;
    if (!machine.length)
        vcpu_raise(vcpu, &(struct fault){.vector = EXC_PF});
    return machine.length;
}

void svm_find_quirks(void)
{
}

void svm_enter(struct vcpu *vcpu)
{
    (void)vcpu;
    machine.entries++;
}

/* What exits mean is the core's: noted here. */

static bool asked(const char *format, ...) PRINTF_LIKE(1, 2);
static bool asked(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(machine.asked, sizeof(machine.asked), format, arguments);
    va_end(arguments);
    return !machine.refuses;
}

#define ASKED_FOR(type, name)                                                                                \
    type exit_##name(struct vcpu *vcpu)                                                                      \
    {                                                                                                        \
        (void)vcpu;                                                                                          \
        return (type)asked(#name);                                                                           \
    }
ASKED_FOR(void, pause)
ASKED_FOR(bool, xsetbv)
ASKED_FOR(void, undefined)
ASKED_FOR(void, protection)
ASKED_FOR(void, window)
ASKED_FOR(void, ignored)
ASKED_FOR(void, triple_fault)

/* What is inlined finds nothing at hand in the tables of this vCPU, and so asks cpuid_search. */
static struct cpuid_leaves leaves;

static bool read_hypercall(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return asked("hypercall");
}

static const struct device_ops hypercall_ops = {.read = read_hypercall};
static struct device hypercalls = {.name = "hypercall", .ops = &hypercall_ops};
static struct bus_range hypercall_range = {.last = UINT64_MAX, .device = &hypercalls};

bool exit_rdmsr_afresh(struct vcpu *vcpu)
{
    (void)vcpu;
    return asked("rdmsr");
}

bool exit_wrmsr_afresh(struct vcpu *vcpu)
{
    (void)vcpu;
    return asked("wrmsr");
}

bool exit_msr_refused(struct vcpu *vcpu)
{
    (void)vcpu;
    return asked("a refusal");
}

uint64_t exit_in_afresh(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    (void)vcpu;
    return asked("in 0x%x, %u", port, size);
}

void exit_out_afresh(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    (void)vcpu;
    asked("out 0x%x, %u", port, size);
}

uint64_t exit_in_missed(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    (void)vcpu;
    return asked("a miss 0x%x, %u", port, size);
}

void exit_out_missed(struct vcpu *vcpu, uint16_t port)
{
    (void)vcpu;
    asked("a miss 0x%x", port);
}

void exit_halt(struct vcpu *vcpu)
{
    if (!vcpu_halt(vcpu))
        vcpu_note(vcpu, REQUEST_YIELD);
}

void exit_io_breakpoints(struct vcpu *vcpu, uint64_t dr7, uint16_t port, unsigned size)
{
    (void)vcpu;
    asked("breakpoints 0x%lx at 0x%x, %u", dr7, port, size);
}

static struct exit_stat rows[128];

bool exit_end_observed(struct vcpu *vcpu)
{
    return vcpu_serve_requests(vcpu);
}

bool exit_leave(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

void svm_leave(struct vcpu *vcpu)
{
    (void)vcpu;
    machine.left = true;
}

void exit_emulate(struct vcpu *vcpu, gpa_t gpa)
{
    (void)vcpu;
    asked(gpa == EMULATE_NO_GPA ? "emulate" : "emulate at 0x%lx", gpa);
}

void exit_memory(struct vcpu *vcpu, gpa_t gpa, gpa_t reported)
{
    (void)vcpu;
    asked(gpa == EMULATE_NO_GPA ? "memory" : "memory at 0x%lx, reported 0x%lx", gpa, reported);
}

void exit_task_switch(struct vcpu *vcpu, struct task_switch *request)
{
    (void)vcpu;
    asked("task 0x%x by %u, length %u", request->selector, request->source, request->length);
}

bool emulate_move_control(struct vcpu *vcpu, unsigned number, enum vcpu_reg reg, bool to_control)
{
    (void)vcpu;
    return asked("cr%u %s %u", number, to_control ? "from" : "to", reg);
}

static void take_text(struct writer *self, const char *text, size_t length)
{
    (void)self;
    memcpy(machine.report + strlen(machine.report), text,
           MIN(length, sizeof(machine.report) - 1 - strlen(machine.report)));
}

static struct writer report = {take_text};

void crash_entry_failed(struct vcpu *vcpu, void (*explain)(struct vcpu *vcpu, struct writer *out),
                        const char *format, ...)
{
    explain(vcpu, &report);
    vm_crash(vcpu->vm, "%s", format);
}

bool exit_observed(struct vcpu *vcpu, bool (*serve)(struct vcpu *vcpu))
{
    return serve(vcpu);
}

static bool maps_made;

/* The vCPU made anew on the CPU of this test. */
static void make(uint32_t features)
{
    if (!maps_made)
        maps_made = svm_make_maps(); /* once, for all */
    memset(&machine, 0, sizeof(machine));
    fake_memory.blocks = 0;
    core.vcpu->arch.msrs = &msrs;
    core.vcpu->arch.cpuid = (struct cpuid_table *)&leaves;
    bus_init(&core.vm.ports, "port", NULL, 0);
    bus_init(&core.vcpu->msr_bus, "msr", NULL, 0);
    bus_init(&core.vcpu->hypercall_bus, "hypercall", &hypercall_range, 1);
    core.vcpu->stats = rows;
    machine.cpu.self = &machine.cpu;
    machine.cpu.vendor = host_allocate(2 * PAGE_SIZE);
    privileged_set_core(&machine.cpu);
    svm_cpu = (struct svm_capabilities){.asids = svm_asids, .features = features, .physical_bits = 40};
    virt = &svm_ops;
    virt_state = svm_ops.state;
    assert_true(svm_vcpu_create(core.vcpu));
    machine.svm = svm_of(core.vcpu);
    machine.vmcb = vmcb_of(core.vcpu);
}

int svm_setup(void **state)
{
    core_setup(state);
    make(BIT(SVM_NESTED_PAGING));
    return 0;
}

int svm_teardown(void **state)
{
    svm_vcpu_destroy(core.vcpu);
    host_free(machine.cpu.vendor, PAGE_SIZE);
    assert_int_equal(fake_memory.blocks, 0);
    return core_teardown(state);
}

void svm_begin(uint32_t features)
{
    void *none = NULL;

    svm_teardown(&none);
    core_setup(&none);
    make(features | BIT(SVM_NESTED_PAGING));
    privileged_begin();
    svm_vcpu_load(core.vcpu);
    svm_vcpu_reset(core.vcpu);
    privileged_end();
}
