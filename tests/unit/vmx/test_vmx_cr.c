/* Guest writes of CR0 and CR4 on VMX: the masks, the shadows, and what is forgotten. */
#include "tests/unit/fake.h"

#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulate.h"
#include "hv/exit/exit.h"
#include "vmx/cr.h"
#include "vmx/fields.h"
#include "vmx/owned.h"
#include "vmx/registers.h"

#include <string.h>

static struct vcpu vcpu;
static struct vm vm;
static struct vmx_vcpu vmx;
static uint64_t vmcs[0x8000];
static uint32_t shown; /* by each leaf of CPUID */

struct vmx_capabilities vmx_cpu = {.cr0_fixed0 = CR0_PG | CR0_NE | CR0_PE, .cr4_fixed1 = UINT64_MAX};

uint64_t vmread(uint32_t field)
{
    return vmcs[field];
}

void vmwrite(uint32_t field, uint64_t value)
{
    vmcs[field] = value;
}

uint64_t vmx_get(struct vcpu *of, enum vcpu_reg reg)
{
    (void)of;
    switch (reg) {
    case REG_CR0:
        return (vmcs[VMCS_GUEST_CR0] & ~CR0_OWNED) | (vmcs[VMCS_CR0_SHADOW] & CR0_OWNED);
    case REG_CR4:
        return (vmcs[VMCS_GUEST_CR4] & ~vmx_cr4_owned(&vcpu)) |
               (vmcs[VMCS_CR4_SHADOW] & vmx_cr4_owned(&vcpu));
    case REG_CR3:
        return vmcs[VMCS_GUEST_CR3];
    default:
        return 0;
    }
}

uint64_t vcpu_get(struct vcpu *of, enum vcpu_reg reg)
{
    return reg <= REG_R15 ? of->arch.gpr[reg] : vmx_get(of, reg);
}

void vcpu_set(struct vcpu *of, enum vcpu_reg reg, uint64_t value)
{
    of->arch.gpr[reg] = value;
}

static unsigned agains;

void vcpu_again(struct vcpu *of)
{
    (void)of;
    agains++;
}

struct segment vcpu_get_segment(struct vcpu *of, enum vcpu_segment segment)
{
    (void)of, (void)segment;
    return (struct segment){0};
}

const struct cpuid_regs *cpuid_lookup(const struct vcpu *of, uint32_t leaf, uint32_t subleaf)
{
    static struct cpuid_regs regs;

    (void)of, (void)leaf, (void)subleaf;
    regs = (struct cpuid_regs){shown, shown, shown, shown};
    return &regs;
}

static unsigned faults;

void vcpu_raise_gp(struct vcpu *of)
{
    (void)of;
    faults++;
}

bool exit_write_cr8(struct vcpu *of, uint64_t value)
{
    (void)of, (void)value;
    return true;
}

void vmx_advance(struct vcpu *of, unsigned length)
{
    (void)of, (void)length;
}

void vm_crash(struct vm *of, const char *format, ...)
{
    (void)of, (void)format;
    fail();
}

/*
 * MOV to CR0 or CR4 as the processor does it (SDM, "Changes to Instruction Behavior in VMX Non-Root
 * Operation"): owned bits are compared with the shadow, the others are written. Returns how many exits it
 * took.
 */
static unsigned move_to(unsigned number, uint64_t value)
{
    uint32_t mask = number ? VMCS_CR4_MASK : VMCS_CR0_MASK,
             shadow = number ? VMCS_CR4_SHADOW : VMCS_CR0_SHADOW,
             real = number ? VMCS_GUEST_CR4 : VMCS_GUEST_CR0;
    unsigned exits = 0;

    while ((value ^ vmcs[shadow]) & vmcs[mask]) {
        assert_true(exits++ < 2);
        vcpu.arch.gpr[REG_RAX] = value;
        vmcs[VMCS_EXIT_QUALIFICATION] = number;
        faults = agains = 0;
        vmx_handle_cr_access(&vcpu);
        assert_int_equal(agains, !faults);
        if (faults)
            return exits;
    }
    vmcs[real] = (vmcs[real] & vmcs[mask]) | (value & ~vmcs[mask]);
    return exits;
}

static uint64_t guest_reads(unsigned number)
{
    uint64_t mask = vmcs[number ? VMCS_CR4_MASK : VMCS_CR0_MASK];

    return (vmcs[number ? VMCS_GUEST_CR4 : VMCS_GUEST_CR0] & ~mask) |
           (vmcs[number ? VMCS_CR4_SHADOW : VMCS_CR0_SHADOW] & mask);
}

static int setup(void **state)
{
    (void)state;
    memset(vmcs, 0, sizeof(vmcs));
    vmx = (struct vmx_vcpu){0};
    vcpu = (struct vcpu){.vm = &vm, .arch.vendor = &vmx};
    shown = UINT32_MAX;
    vmx_cr_init(&(struct cpuid_limits){0});
    vmx.cr4_allowed = vmx_cr4_allowed(&vcpu);
    vmcs[VMCS_CR0_MASK] = CR0_OWNED;
    vmcs[VMCS_CR4_MASK] = vmx_cr4_owned(&vcpu);
    vmcs[VMCS_GUEST_CR0] = vmx_cr0_real(CR0_PE | CR0_ET);
    vmcs[VMCS_CR0_SHADOW] = CR0_CD; /* what is not owned is stale there */
    vmcs[VMCS_GUEST_CR4] = vmx_cr4_real(0);
    vcpu.arch.code_changed = false;
    return 0;
}

static void unwatched_bits_are_written_without_an_exit(void **state)
{
    (void)state;
    assert_int_equal(move_to(0, guest_reads(0) | CR0_PG), 0);
    assert_int_equal(move_to(4, guest_reads(4) | CR4_PAE | CR4_PSE), 0);
    assert_false(vcpu.arch.code_changed);
    assert_true(vmcs[VMCS_GUEST_CR0] & CR0_PG);
}

/* Each bit that decides how code is read, both ways: one exit, one flush, and the bit gets there. */
static void a_change_of_what_is_watched_is_told_once_and_done(void **state)
{
    static const struct {
        unsigned number;
        uint64_t bit;
    } bits[] = {{0, CR0_PG}, {4, CR4_PAE}, {4, CR4_PSE}, {4, CR4_LA57}};

    for (unsigned i = 0; i < ARRAY_LENGTH(bits); i++)
        for (unsigned way = 0; way < 2; way++) {
            uint64_t before, after;

            setup(state);
            if (way)
                move_to(bits[i].number, guest_reads(bits[i].number) | bits[i].bit);
            before = guest_reads(bits[i].number);
            vmx_watch_paging(&vcpu);
            vmx_watch_paging(&vcpu);
            assert_int_equal(guest_reads(bits[i].number), before);
            assert_false(vcpu.arch.code_changed);
            after = before ^ bits[i].bit;
            assert_int_equal(move_to(bits[i].number, after), 1);
            assert_true(vcpu.arch.code_changed);
            assert_int_equal(guest_reads(bits[i].number), after);
            assert_int_equal(move_to(bits[i].number, before), 0); /* nothing is remembered any more */
            assert_int_equal(vmcs[VMCS_CR0_MASK], CR0_OWNED);
            assert_int_equal(vmcs[VMCS_CR4_MASK], vmx_cr4_owned(&vcpu));
        }
}

static void what_is_not_watched_stays_without_exits(void **state)
{
    (void)state;
    vmx_watch_paging(&vcpu);
    assert_int_equal(move_to(0, guest_reads(0) | CR0_TS | CR0_WP | CR0_AM), 0);
    assert_int_equal(move_to(4, guest_reads(4) | CR4_PGE | CR4_OSFXSR), 0);
    assert_false(vcpu.arch.code_changed);
}

static void a_value_that_is_refused_ends_no_watch(void **state)
{
    (void)state;
    vmx_watch_paging(&vcpu);
    move_to(0, CR0_PG); /* without PE */
    assert_int_equal(faults, 1);
    assert_false(vcpu.arch.code_changed);
    assert_true(vmcs[VMCS_CR0_MASK] & CR0_PG);
}

static void what_cpuid_hides_is_reserved_in_cr4(void **state)
{
    (void)state;
    shown = UINT32_MAX & ~(uint32_t)BIT(20); /* SMAP, by leaf 7, EBX */
    vmx.cr4_allowed = vmx_cr4_allowed(&vcpu);
    vmcs[VMCS_CR4_MASK] = vmx_cr4_owned(&vcpu);
    assert_int_equal(move_to(4, guest_reads(4) | CR4_SMEP), 0);
    assert_true(guest_reads(4) & CR4_SMEP);
    assert_int_equal(move_to(4, guest_reads(4) | CR4_SMAP), 1);
    assert_int_equal(faults, 1);
    assert_false(guest_reads(4) & CR4_SMAP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(unwatched_bits_are_written_without_an_exit, setup),
        cmocka_unit_test_setup(a_change_of_what_is_watched_is_told_once_and_done, setup),
        cmocka_unit_test_setup(what_is_not_watched_stays_without_exits, setup),
        cmocka_unit_test_setup(a_value_that_is_refused_ends_no_watch, setup),
        cmocka_unit_test_setup(what_cpuid_hides_is_reserved_in_cr4, setup),
    };
    return cmocka_run_group_tests_name("vmx_cr", tests, NULL, NULL);
}
