/* VMX's page for the APIC: it is mapped while it is right for every vCPU. */
#include "tests/unit/core_fixture.h"

#include <string.h>

#include "hv/cpu/apic_page.h"
#include "hv/vm/nested.h"
#include "hv/x86/pc.h"
#include "vmx/controls.h"
#include "vmx/vm.h"

const struct table_format table_format_ept;

static bool mapped, memory;
static unsigned changes;

bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type)
{
    (void)vm, (void)format, (void)largest, (void)memory_type;
    return true;
}

void nested_destroy(struct vm *vm)
{
    (void)vm;
}

bool nested_map(struct vm *vm, gpa_t page, hpa_t physical)
{
    assert_int_equal(page, PC_LOCAL_APIC);
    assert_int_equal(physical, vmx_apic_page(vm));
    mapped = memory;
    changes++;
    return memory;
}

bool nested_unmap(struct vm *vm, gpa_t page)
{
    (void)vm;
    assert_int_equal(page, PC_LOCAL_APIC);
    mapped = false;
    changes++;
    return true;
}

static const struct device_ops apic_ops;
static struct device apic = {.ops = &apic_ops};
static struct virt_ops ops;

static int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.run.apic_placed = vmx_apic_placed;
    virt = &ops;
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        core.vcpus[i].local.device = &apic;
    memory = true;
    mapped = false;
    vmx_words.secondary = VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES;
    return 0;
}

static void begin(void)
{
    assert_true(vmx_vm_create(&core.vm));
    assert_false(mapped);
    changes = 0;
}

static void hardwares_apic_page_is_there_while_it_is_right_for_every_vcpu(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < CORE_VCPUS; i++) {
        assert_false(mapped);
        vcpu_place_apic(&core.vcpus[i], APIC_XAPIC, PC_LOCAL_APIC);
    }
    assert_true(mapped);
    assert_int_equal(changes, 1);
    memset(fake_asked.requests, 0, sizeof(fake_asked.requests));
    vcpu_place_apic(&core.vcpus[1], APIC_X2APIC, PC_LOCAL_APIC);
    assert_int_equal(core.vcpus[1].arch.apic.mode, APIC_X2APIC);
    assert_false(mapped);
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        assert_int_equal(fake_asked.requests[i], REQUEST_FLUSH);
    vcpu_place_apic(&core.vcpus[0], APIC_XAPIC, 0xfe000000); /* elsewhere: still nobody's */
    vcpu_place_apic(&core.vcpus[1], APIC_XAPIC, PC_LOCAL_APIC);
    assert_int_equal(changes, 2);
    vcpu_place_apic(&core.vcpus[0], APIC_XAPIC, PC_LOCAL_APIC);
    assert_true(mapped);
    vmx_vm_destroy(&core.vm);
}

static void without_the_control_there_is_none(void **state)
{
    (void)state;
    vmx_words.secondary = 0;
    begin();
    assert_int_equal(vmx_apic_page(&core.vm), 0);
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        vcpu_place_apic(&core.vcpus[i], APIC_XAPIC, PC_LOCAL_APIC);
    assert_int_equal(changes, 0);
    vmx_vm_destroy(&core.vm);
}

static void a_vm_without_memory_for_it_is_given_back(void **state)
{
    (void)state;
    memory = false;
    assert_false(vmx_vm_create(&core.vm));
    vmx_vm_destroy(&core.vm);
    assert_int_equal(vmx_apic_page(&core.vm), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hardwares_apic_page_is_there_while_it_is_right_for_every_vcpu),
        TEST(without_the_control_there_is_none),
        TEST(a_vm_without_memory_for_it_is_given_back),
    };
    return cmocka_run_group_tests_name("vmx_vm", tests, NULL, NULL);
}
