/* A vCPU of VMX: what it is made of, and what the end of an instruction leaves in its VMCS. */
#include "hv/event/event.h"
#include "tests/unit/core_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "hv/host/cpu.h"
#include "hv/host/paging.h"
#include "tests/unit/privileged.h"
#include "vmx/controls.h"
#include "vmx/cr.h"
#include "vmx/entry.h"
#include "vmx/registers.h"
#include "vmx/vcpu.h"
#include "vmx/vm.h"

const char vmx_exit[1];
const uint32_t msr_native[] = {0xc0000081, 0};

/* What vcpu_trap was called with, and how often. */
static uint64_t traps;
static unsigned trapped;

/* Memory, and the number of the request that finds none: 0, each finds some. */

/* What the core's fixture has not, and the making of a vCPU does not call. */
uint64_t vmx_eptp(const struct vm *vm)
{
    (void)vm;
    return 0;
}

hpa_t vmx_apic_page(const struct vm *vm)
{
    (void)vm;
    return 0;
}

void vmx_flush(struct vcpu *vcpu)
{
    (void)vcpu;
}

void vmx_enter(struct vcpu *vcpu, bool launched)
{
    (void)vcpu, (void)launched;
}

uint64_t vmx_cr4_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return UINT64_MAX;
}

bool vcpu_serve_requests(struct vcpu *vcpu)
{
    (void)vcpu;
    return true;
}

void vcpu_trap(struct vcpu *vcpu, uint64_t causes)
{
    assert_ptr_equal(vcpu, core.vcpu);
    traps |= causes;
    trapped++;
}

static void a_vcpu_that_memory_is_missing_for_leaves_nothing_behind(void **state)
{
    unsigned tries = 0, made;

    (void)state;
    privileged_begin();
    do {
        fake_memory.refused_at = ++tries;
        made = vmx_vcpu_create(core.vcpu);
        fake_memory.refused_at = 0;
        vmx_vcpu_destroy(core.vcpu); /* as life_destroy does, whatever was made */
        assert_int_equal(fake_memory.blocks, 0);
        assert_null(core.vcpu->arch.vendor);
        assert_null(core.vcpu->arch.native.xsave);
    } while (!made);
    privileged_end();
    assert_int_equal(tries, 4); /* its state, what XSAVE needs, the VMCS, and nothing failed */
}

/* Without their control they raise #UD. */
static void what_cpuid_hides_has_no_control(void **state)
{
    static const struct {
        const char *name;
        uint32_t control;
    } cases[] = {{NULL, 0},           {"rdtscp", BIT(3)},   {"invpcid", BIT(12)},
                 {"xsaves", BIT(20)}, {"waitpkg", BIT(26)}, {"avx", 0}};

    (void)state;
    privileged_begin();
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        fake_cpuid.hides = cases[i].name;
        assert_true(vmx_vcpu_create(core.vcpu));
        assert_int_equal(vmx_of(core.vcpu)->hidden, cases[i].control);
        vmx_vcpu_destroy(core.vcpu);
    }
    privileged_end();
}

#define PENDING_STEP BIT(14)

/* The instruction at 0x1000 is done, with these in the VMCS. */
static void finish(uint64_t flags, uint64_t blocking, uint64_t pending)
{
    traps = trapped = 0;
    vmwrite(VMCS_GUEST_RFLAGS, flags | RFLAGS_1);
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, pending);
    *vmx_rip(core.vcpu) = 0x1000;
    vmx_advance(core.vcpu, 3);
    assert_int_equal(vmread(VMCS_GUEST_RIP), 0x1003);
    assert_int_equal(vmread(VMCS_GUEST_INTERRUPTIBILITY), blocking & ~3u);
    assert_int_equal(vmread(VMCS_GUEST_RFLAGS), (flags & ~RFLAGS_RF) | RFLAGS_1);
    assert_int_equal(trapped, traps != 0);
}

static void an_instruction_that_is_done_leaves_what_silicon_does(void **state)
{
    (void)state;
    privileged_begin();
    for (uint64_t blocking = 0; blocking < 16; blocking++)
        for (unsigned i = 0; i < 8; i++) {
            uint64_t flags = (i & 1 ? RFLAGS_TF : 0) | (i & 2 ? RFLAGS_RF : 0) | (i & 4 ? RFLAGS_IF : 0);

            finish(flags, blocking, 0);
            assert_int_equal(traps, i & 1 ? PENDING_STEP : 0);
        }
    finish(0, 2, 5 | BIT(12)); /* breakpoints on what MOV SS has read */
    assert_int_equal(traps, 5);
    assert_int_equal(vmread(VMCS_GUEST_PENDING_DEBUG), 0);
    finish(RFLAGS_TF, 2, PENDING_STEP | 1);
    assert_int_equal(traps, PENDING_STEP | 1);
    vmwrite(VMCS_GUEST_DEBUGCTL, 3); /* with BTF, it would have to be a branch */
    finish(RFLAGS_TF, 0, 0);
    assert_int_equal(traps, 0);
    assert_int_equal(vmread(VMCS_GUEST_DEBUGCTL), 3);
    finish(RFLAGS_TF, 2, 1);
    assert_int_equal(traps, 1);
    assert_int_equal(vmread(VMCS_GUEST_DEBUGCTL), 0); /* as #DB leaves it */
    vmwrite(VMCS_GUEST_PENDING_DEBUG, PENDING_STEP);  /* an exit behind an instruction of the CPU's */
    traps = 0;
    vmx_trap_pending(core.vcpu);
    assert_int_equal(traps, PENDING_STEP);
    assert_int_equal(vmread(VMCS_GUEST_PENDING_DEBUG), 0);
    privileged_end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_instruction_that_is_done_leaves_what_silicon_does),
        TEST(a_vcpu_that_memory_is_missing_for_leaves_nothing_behind),
        TEST(what_cpuid_hides_has_no_control),
    };
    cpu_count = 1;
    return cmocka_run_group_tests_name("vmx_vcpu", tests, NULL, NULL);
}
