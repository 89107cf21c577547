#include "tests/unit/core_fixture.h"
#include "hv/event/guest_debug.h"
#include "hv/observe/trace.h"
#include "hv/run/work.h"

#include <stdlib.h>
#include <string.h>

#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulate.h"
#include "hv/run/sched.h"

struct core core;

static int pending(void *state)
{
    (void)state;
    return core.pending;
}

static int acknowledge(void *state)
{
    (void)state;
    core.acknowledged++;
    core.pending = -1;
    return core.vector;
}

static unsigned get_tpr(void *state)
{
    (void)state;
    return core.tpr;
}

static void set_tpr(void *state, unsigned priority)
{
    (void)state;
    core.tpr = priority;
}

static void controller_reset(void *state, bool init)
{
    (void)state;
    core.controller_resets++;
    core.init = init;
}

static void tsc_changed(void *state)
{
    (void)state;
    core.tsc_changes++;
}

static bool enabled(void *state)
{
    (void)state;
    return true;
}

static void vcpu_reset(struct vcpu *vcpu)
{
    const struct segment code = {.selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attributes = 0x9b};

    core.vcpu_resets++;
    vcpu_set_segment(vcpu, SEG_CS, &code);
    vcpu_set(vcpu, REG_RIP, 0xfff0);
}

static void flush(struct vcpu *vcpu)
{
    (void)vcpu;
    core.flushes++;
}

static void inject(struct vcpu *vcpu, const struct event *event)
{
    core.injections++;
    fake_state.inject(vcpu, event);
}

static bool page_set_present(struct vm *vm, gpa_t page, bool present)
{
    assert_ptr_equal(vm, &core.vm);
    assert_true(core.page_count < ARRAY_LENGTH(core.pages));
    core.pages[core.page_count].page = page;
    core.pages[core.page_count++].present = present;
    return !core.pages_refused;
}

static bool get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    *value = core.vendor_msr[msr % 16];
    return true;
}

static bool set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu;
    core.vendor_msr[msr % 16] = value;
    core.latest_msr = msr;
    return true;
}

static struct virt_ops vendor;
static struct virt_state vendor_state;

/* No leaf is at hand in the vCPUs' tables: where it is looked up without a call. */
static struct cpuid_leaves leaves;

static void resumed(void *state)
{
    (void)state;
    core.resumptions++;
}

static void begin_vcpu(unsigned id)
{
    struct vcpu *vcpu = &core.vcpus[id];

    vcpu->arch.cpuid = (struct cpuid_table *)&leaves;
    vcpu->vm = &core.vm;
    vcpu->id = id;
    vcpu->arch.interrupts = (struct interrupt_controller){.pending = pending,
                                                          .acknowledge = acknowledge,
                                                          .get_tpr = get_tpr,
                                                          .set_tpr = set_tpr,
                                                          .reset = controller_reset,
                                                          .tsc_changed = tsc_changed,
                                                          .resumed = resumed,
                                                          .enabled = enabled};
    core.vm.vcpus[id] = vcpu;
}

void core_begin(unsigned bits)
{
    fake_reset();
    memset(&core, 0, sizeof(core));
    core.vcpu = &core.vcpus[0];
    core.pending = core.vector = -1;
    fake_vcpu_init(&core.vm, core.vcpu, bits);
    for (unsigned id = 0; id < CORE_VCPUS; id++)
        begin_vcpu(id);
    core.vm.vcpu_count = CORE_VCPUS;
    strcpy(core.vm.name, "one");
    core.ram = calloc(1, CORE_RAM);
    core.high_ram = calloc(1, CORE_HIGH_RAM);
    core.vm.memory = (struct guest_mem){{{0, CORE_RAM, core.ram}, {GIB(4), CORE_HIGH_RAM, core.high_ram}}, 2};
    vendor = fake_virt;
    vendor.lifecycle.vcpu_reset = vcpu_reset;
    vendor.run.flush = flush;
    vendor.run.page_set_present = page_set_present;
    virt = &vendor;
    vendor_state = fake_state;
    vendor_state.inject = inject;
    vendor_state.get_msr = get_msr;
    vendor_state.set_msr = set_msr;
    virt_state = &vendor_state;
}

int core_setup(void **state)
{
    (void)state;
    core_begin(64);
    return 0;
}

int core_teardown(void **state)
{
    (void)state;
    free(core.ram);
    free(core.high_ram);
    return 0;
}

void core_set_cpl(unsigned cpl)
{
    struct segment ss = vcpu_get_segment(core.vcpu, SEG_SS);

    ss.attributes = (ss.attributes & ~0x60u) | cpl << 5;
    vcpu_set_segment(core.vcpu, SEG_SS, &ss);
}

void core_expect_exception(unsigned vector)
{
    assert_true(core.vcpu->arch.event.valid);
    assert_int_equal(core.vcpu->arch.event.type, EVENT_EXCEPTION);
    assert_int_equal(core.vcpu->arch.event.vector, vector);
}
