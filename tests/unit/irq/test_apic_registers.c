#include "tests/unit/irq/apic_fixture.h"

#include <string.h>

/* The xAPIC page, the x2APIC MSRs, and IA32_APIC_BASE. */

#define XAPIC  UINT64_C(0xfee00900)
#define X2APIC UINT64_C(0xfee00d00)
#define OFF    UINT64_C(0xfee00100)

static void writable_bits_of_the_page(void **state)
{
    static const struct {
        enum apic_reg reg;
        uint32_t zeros, ones;
    } expected[] = {
        {APIC_TPR, 0, 0xff},
        {APIC_LDR, 0, 0xff000000},
        {APIC_DFR, 0x0fffffff, 0xffffffff},
        {APIC_SVR, 0, 0x13ff},
        {APIC_ICR2, 0, 0xff000000},
        {APIC_LVT_TIMER, 0, 0x700ff},
        {APIC_LVT_THERMAL, 0, 0x107ff},
        {APIC_LVT_PMC, 0, 0x107ff},
        {APIC_LVT_LINT0, 0, 0x1a7ff},
        {APIC_LVT_LINT1, 0, 0x1a7ff},
        {APIC_LVT_ERROR, 0, 0x100ff},
        {APIC_DIVIDE, 0, 0xb},
        {APIC_INITIAL_COUNT, 0, 0xffffffff},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++) {
        if (expected[i].reg == APIC_INITIAL_COUNT)
            put(APIC_LVT_TIMER, MASKED); /* a mode that counts */
        put(expected[i].reg, 0xffffffff);
        assert_int_equal(get(expected[i].reg), expected[i].ones);
        put(expected[i].reg, 0);
        if (expected[i].reg == APIC_SVR)
            put(APIC_SVR, 0x1ff);
        else
            assert_int_equal(get(expected[i].reg), expected[i].zeros);
    }
}

static void read_only_registers_ignore_writes(void **state)
{
    static const enum apic_reg fixed[] = {APIC_ID,  APIC_VERSION, APIC_PPR,     APIC_APR,          APIC_RRD,
                                          APIC_ISR, APIC_TMR + 7, APIC_IRR + 3, APIC_CURRENT_COUNT};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(fixed); i++) {
        uint32_t before = get(fixed[i]);

        put(fixed[i], ~before);
        assert_int_equal(get(fixed[i]), before);
    }
    assert_int_equal(get_on(9, APIC_ID), 0x09000000);
    assert_int_equal(get(APIC_EOI), 0);
    assert_int_equal(errors(), 0);
}

static void registers_that_are_not_there_are_errors(void **state)
{
    static const uint16_t none[] = {0x000, 0x010, 0x040, 0x070, 0x290, 0x2f0,
                                    0x3a0, 0x3d0, 0x3f0, 0x400, 0xff0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(none); i++) {
        assert_int_equal(get_at(0, none[i], 4), 0);
        assert_int_equal(errors(), 0x80);
        put_at(0, none[i], 4, 0x40);
        assert_int_equal(errors(), 0x80);
    }
    assert_int_equal(pending(0), -1);
}

static void an_error_interrupts_until_esr_is_written(void **state)
{
    (void)state;
    put(APIC_LVT_ERROR, 0x3e);
    get_at(0, 0x40, 4);
    assert_int_equal(acknowledge(0), 0x3e);
    put(APIC_EOI, 0);
    get_at(0, 0x40, 4);
    interrupt(2);
    assert_int_equal(pending(0), -1);
    put(APIC_ESR, 0xffffffff);
    assert_int_equal(get(APIC_ESR), 0xc0);
    get_at(0, 0x40, 4);
    assert_int_equal(pending(0), 0x3e);
    assert_int_equal(get(APIC_ESR), 0xc0); /* as it was when it was written */
}

static void narrow_and_unaligned_accesses_are_sane(void **state)
{
    (void)state;
    put(APIC_LDR, 0x12000000);
    assert_int_equal(get_at(0, 0x0d3, 1), 0x12);
    assert_int_equal(get_at(0, 0x0d2, 2), 0x1200);
    assert_int_equal(get_at(0, 0x030, 1), 0x14);
    assert_int_equal(get_at(0, 0x032, 4), 0x0105);
    assert_int_equal(get_at(0, 0x034, 4), 0); /* between the registers */
    assert_int_equal(get_at(0, 0x03f, 1), 0);
    put_at(0, 0x080, 1, 0x55);
    put_at(0, 0x080, 2, 0x55);
    put_at(0, 0x081, 4, 0x55);
    put_at(0, 0x084, 4, 0x55);
    assert_int_equal(get(APIC_TPR), 0);
    assert_int_equal(errors(), 0);
}

static void modes_change_only_as_the_manual_says(void **state)
{
    /* Rows: from; columns: to. Disabled, EXTD alone, xAPIC, x2APIC. */
    static const bool legal[4][4] = {{1, 0, 1, 0}, {0}, {1, 0, 1, 1}, {1, 0, 0, 1}};
    static const uint64_t path[4][2] = {{OFF, OFF}, {0}, {XAPIC, XAPIC}, {XAPIC, X2APIC}};

    (void)state;
    for (unsigned from = 0; from < 4; from++)
        for (unsigned to = 0; from != 1 && to < 4; to++) {
            local_apic_reset(&apics[0], false);
            assert_true(wrmsr(0, IA32_APIC_BASE, path[from][0]));
            assert_true(wrmsr(0, IA32_APIC_BASE, path[from][1]));
            assert_int_equal(wrmsr(0, IA32_APIC_BASE, OFF | to << 10), legal[from][to]);
            assert_int_equal(msr(IA32_APIC_BASE), legal[from][to] ? OFF | to << 10 : path[from][1]);
        }
}

static void reserved_bits_of_apic_base_fault(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit < 8 || bit == 9 || bit >= 39)
            assert_false(wrmsr(0, IA32_APIC_BASE, XAPIC | BIT(bit)));
    assert_int_equal(msr(IA32_APIC_BASE), XAPIC);
    assert_true(wrmsr(0, IA32_APIC_BASE, XAPIC | BIT(38)));
}

static void the_page_moves(void **state)
{
    (void)state;
    fake_asked.placed[0] = 0;
    assert_true(wrmsr(0, IA32_APIC_BASE, XAPIC));
    assert_int_equal(fake_asked.placed[0], 0); /* nothing changed */
    put(APIC_TPR, 0x30);
    assert_true(wrmsr(0, IA32_APIC_BASE, UINT64_C(0x7012345900)));
    assert_int_equal(fake_asked.placed[0], 1);
    assert_true(apic_is_placed(0));
    assert_int_equal(vcpus[0].local.first, UINT64_C(0x7012345000));
    assert_int_equal(get(APIC_TPR), 0x30);
    assert_int_equal(fake_asked.cpuid_changes, 0);
}

static void x2apic_has_no_page(void **state)
{
    (void)state;
    to_x2apic(0);
    assert_false(apic_is_placed(0));
    assert_int_equal(fake_asked.cpuid_changes, 0);
    assert_true(wrmsr(0, IA32_APIC_BASE, OFF));
    assert_true(wrmsr(0, IA32_APIC_BASE, XAPIC));
    assert_true(apic_is_placed(0));
    assert_int_equal(vcpus[0].local.first, PC_LOCAL_APIC);
    assert_int_equal(fake_asked.cpuid_changes, 2);
}

static void disabled_it_is_as_if_there_were_none(void **state)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;

    (void)state;
    interrupt(0x41);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    assert_true(core->enabled(core->state));
    assert_true(wrmsr(0, IA32_APIC_BASE, OFF));
    assert_false(core->enabled(core->state));
    assert_false(apic_is_placed(0));
    assert_int_equal(fake_asked.cpuid_changes, 1);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(pending(0), -1);
    assert_false(interrupt(0x42));
    assert_false(send(APIC_NMI, 0, 0, false, false));
    assert_false(send(APIC_INIT, 0, 0xff, true, false) && asked(REQUEST_INIT) & BIT(0));
    assert_int_equal(asked(REQUEST_NMI), 0);
    forget();
    lint(0, 0, true); /* INTR */
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(acknowledge(0), 0x77);
    lint(0, 0, false);
    assert_int_equal(pending(0), -1);
    lint(0, 1, true); /* NMI */
    assert_int_equal(asked(REQUEST_NMI), BIT(0));
    core->reset(core->state, true);
    assert_int_equal(msr(IA32_APIC_BASE), OFF); /* INIT leaves it disabled */
}

static void enabled_again_it_is_as_after_reset(void **state)
{
    (void)state;
    interrupt(0x41);
    put(APIC_TPR, 0x20);
    lint(0, 0, true);
    forget();
    assert_true(wrmsr(0, IA32_APIC_BASE, OFF));
    assert_int_equal(asked(REQUEST_EVENT), BIT(0)); /* INTR was asserted, and masked until now */
    assert_true(wrmsr(0, IA32_APIC_BASE, XAPIC));
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_SVR), 0xff);
    assert_int_equal(get(APIC_TPR), 0);
    assert_int_equal(get(APIC_ID), 0);
    put(APIC_SVR, 0x1ff);
    assert_true(interrupt(0x42));
    assert_int_equal(acknowledge(0), 0x42);
}

static void the_mode_keeps_what_software_set_up(void **state)
{
    (void)state;
    put(APIC_TPR, 0x30);
    put(APIC_LVT_LINT0, 0x700);
    put(APIC_ICR2, 0x05000000);
    interrupt(0x41);
    to_x2apic(0);
    assert_int_equal(msr(0x808), 0x30);
    assert_int_equal(msr(0x835), 0x700);
    assert_int_equal(msr(0x80f), 0x1ff);
    assert_int_equal(msr(0x822), 2);
    assert_int_equal(msr(0x830), 0);
    assert_int_equal(pending(0), 0x41);
}

static void x2apic_msrs_exist_in_x2apic_mode_only(void **state)
{
    uint64_t value;

    (void)state;
    for (uint32_t number = 0x800; number <= 0x8ff; number++) {
        assert_false(rdmsr(0, number, &value));
        assert_false(wrmsr(0, number, 0));
    }
    assert_int_equal(errors(), 0);
}

/* r, w: readable, writable (with 0); blank: #GP. From 0x800 on. */
static const char *access_of(uint32_t msr)
{
    if (msr >= 0x810 && msr <= 0x827)
        return "r";
    switch (msr) {
    case 0x802:
    case 0x803:
    case 0x80a:
    case 0x80d:
    case 0x839:
        return "r";
    case 0x808:
    case 0x80f:
    case 0x828:
    case 0x832:
    case 0x833:
    case 0x834:
    case 0x835:
    case 0x836:
    case 0x837:
    case 0x838:
    case 0x83e:
    case 0x830:
        return "rw";
    case 0x80b:
    case 0x83f:
        return "w";
    }
    return "";
}

static void x2apic_registers_are_those_of_the_manual(void **state)
{
    uint64_t value;

    (void)state;
    to_x2apic(0);
    for (uint32_t number = 0x800; number <= 0x8ff; number++) {
        assert_int_equal(rdmsr(0, number, &value), strchr(access_of(number), 'r') != NULL);
        assert_int_equal(wrmsr(0, number, 0), strchr(access_of(number), 'w') != NULL);
    }
}

static void reserved_bits_of_x2apic_registers_fault(void **state)
{
    static const struct {
        uint32_t msr;
        uint64_t legal; /* delivery status and remote IRR, which are read-only, may be written back */
    } registers[] = {
        {0x808, 0xff},
        {0x80b, 0},
        {0x80f, 0x13ff},
        {0x828, 0},
        {0x830, 0xffffffff000cdfff},
        {0x832, 0x710ff},
        {0x833, 0x117ff},
        {0x834, 0x117ff},
        {0x835, 0x1f7ff},
        {0x836, 0x1f7ff},
        {0x837, 0x110ff},
        {0x838, 0xffffffff},
        {0x83e, 0xb},
        {0x83f, 0xff},
    };

    (void)state;
    to_x2apic(0);
    for (unsigned i = 0; i < ARRAY_LENGTH(registers); i++)
        for (unsigned bit = 0; bit < 64; bit++)
            assert_int_equal(wrmsr(0, registers[i].msr, BIT(bit)), (registers[i].legal & BIT(bit)) != 0);
}

static void x2apic_ids_follow_the_vcpu(void **state)
{
    uint64_t value;

    (void)state;
    for (unsigned i = 0; i < APICS; i++) {
        to_x2apic(i);
        assert_true(rdmsr(i, 0x802, &value));
        assert_int_equal(value, i);
        assert_true(rdmsr(i, 0x80d, &value));
        assert_int_equal(value, (i / 16) << 16 | 1 << i % 16);
    }
}

static void x2apic_interrupts_end_by_msr(void **state)
{
    (void)state;
    to_x2apic(0);
    send(APIC_FIXED, 0x61, 0, false, true);
    assert_int_equal(acknowledge(0), 0x61);
    assert_int_equal(msr(0x813), 2);
    assert_false(wrmsr(0, 0x80b, 1));
    assert_true(wrmsr(0, 0x80b, 0));
    assert_int_equal(msr(0x813), 0);
    assert_int_equal(broadcasts, 1);
}

static void it_describes_itself(void **state)
{
    static char text[2048];
    struct bus_range ranges[3];
    struct text_buffer buffer;

    (void)state;
    interrupt(0x41);
    put(APIC_LVT_LINT1, 0x400);
    local_apic_msr_ranges(&apics[0], ranges);
    text_buffer_init(&buffer, text, sizeof(text));
    apics[0].page.ops->describe(&apics[0].page, &buffer.writer);
    for (unsigned i = 0; i < 3; i++)
        ranges[i].device->ops->describe(ranges[i].device, &buffer.writer);
    assert_non_null(strstr(text, "irr 41\n"));
    assert_non_null(strstr(text, "lint1   0x00400 vector 0x00 nmi\n"));
    assert_non_null(strstr(text, "apic base 0xfee00000 xAPIC bsp\n"));
    assert_non_null(strstr(text, "timer one-shot initial"));
    assert_ptr_equal(strstr(strstr(text, "isr") + 1, "isr"), NULL); /* the registers once */
    to_x2apic(0);
    text_buffer_init(&buffer, text, sizeof(text));
    apics[0].page.ops->describe(&apics[0].page, &buffer.writer);
    assert_string_equal(text, "");
    ranges[1].device->ops->describe(ranges[1].device, &buffer.writer);
    assert_non_null(strstr(text, "irr 41\n"));
}

/* Hardware puts a guest's write into the page as it is, and says so behind it. */
static void hardware_writes(enum apic_reg reg, uint32_t value)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;

    vcpus[0].arch.apic.registers[4 * reg] = value;
    core->written(core->state, reg * 16);
}

static void what_hardware_wrote_is_as_if_software_had(void **state)
{
    (void)state;
    hardware_writes(APIC_ID, 0x55555555);
    assert_int_equal(get(APIC_ID), 0);
    hardware_writes(APIC_SVR, 0xffffffff);
    assert_int_equal(get(APIC_SVR), 0x13ff);
    hardware_writes(APIC_DFR, 0x12345678);
    assert_int_equal(get(APIC_DFR), 0x1fffffff);
    hardware_writes(APIC_LVT_TIMER, 0xffffffff);
    assert_int_equal(get(APIC_LVT_TIMER), 0x700ff);
    hardware_writes(APIC_INITIAL_COUNT, 1000); /* reserved mode: ignored */
    assert_int_equal(get(APIC_INITIAL_COUNT), 0);
    hardware_writes(APIC_LVT_TIMER, 0x41);
    hardware_writes(APIC_DIVIDE, 0xffffffff);
    assert_int_equal(get(APIC_DIVIDE), 0xb);
    hardware_writes(APIC_INITIAL_COUNT, 1000);
    assert_int_equal(get(APIC_INITIAL_COUNT), 1000);
    assert_int_equal(get(APIC_CURRENT_COUNT), 1000);
    hardware_writes(APIC_ICR, 0x40042 | BIT(12));
    assert_int_equal(get(APIC_ICR), 0x40042);
    assert_int_equal(acknowledge(0), 0x42);
    hardware_writes(APIC_EOI, 0xdeadbeef);
    assert_int_equal(vcpus[0].arch.apic.registers[4 * APIC_EOI], 0);
    assert_int_equal(get(APIC_PPR), 0);
    hardware_writes(APIC_ICR, 0x40005);
    hardware_writes(APIC_ESR, 0xffff);
    assert_int_equal(get(APIC_ESR), ESR_SEND_ILLEGAL);
    for (unsigned reg = 0; reg < 256; reg++) /* whatever the qualification says */
        vcpus[0].arch.interrupts.written(vcpus[0].arch.interrupts.state, reg * 16);
}

static void in_x2apic_mode_only_an_illegal_self_ipi_comes_from_hardware(void **state)
{
    (void)state;
    to_x2apic(0);
    hardware_writes(APIC_SELF_IPI, 5);
    assert_int_equal(errors(), ESR_SEND_ILLEGAL);
    assert_true(wrmsr(0, X2APIC_FIRST + APIC_ICR, UINT64_C(0x12345678) << 32 | 0x42));
    assert_int_equal(vcpus[0].arch.apic.registers[4 * APIC_ICR + 1],
                     0x12345678); /* where RDMSR has its upper half */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writable_bits_of_the_page, setup),
        cmocka_unit_test_setup(read_only_registers_ignore_writes, setup),
        cmocka_unit_test_setup(registers_that_are_not_there_are_errors, setup),
        cmocka_unit_test_setup(an_error_interrupts_until_esr_is_written, setup),
        cmocka_unit_test_setup(narrow_and_unaligned_accesses_are_sane, setup),
        cmocka_unit_test_setup(modes_change_only_as_the_manual_says, setup),
        cmocka_unit_test_setup(reserved_bits_of_apic_base_fault, setup),
        cmocka_unit_test_setup(the_page_moves, setup),
        cmocka_unit_test_setup(x2apic_has_no_page, setup),
        cmocka_unit_test_setup(disabled_it_is_as_if_there_were_none, setup),
        cmocka_unit_test_setup(enabled_again_it_is_as_after_reset, setup),
        cmocka_unit_test_setup(the_mode_keeps_what_software_set_up, setup),
        cmocka_unit_test_setup(x2apic_msrs_exist_in_x2apic_mode_only, setup),
        cmocka_unit_test_setup(x2apic_registers_are_those_of_the_manual, setup),
        cmocka_unit_test_setup(reserved_bits_of_x2apic_registers_fault, setup),
        cmocka_unit_test_setup(x2apic_ids_follow_the_vcpu, setup),
        cmocka_unit_test_setup(x2apic_interrupts_end_by_msr, setup),
        cmocka_unit_test_setup(it_describes_itself, setup),
        cmocka_unit_test_setup(what_hardware_wrote_is_as_if_software_had, setup),
        cmocka_unit_test_setup(in_x2apic_mode_only_an_illegal_self_ipi_comes_from_hardware, setup),
    };
    return cmocka_run_group_tests_name("apic_registers", tests, NULL, NULL);
}
