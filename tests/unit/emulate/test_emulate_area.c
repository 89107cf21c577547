/* FXSAVE, FXRSTOR and the XSAVE family on a device. test_operands compares those of 64-bit code with the
 * CPU's own. */
#include "tests/unit/emulate/emulate_fixture.h"

#include "hv/cpu/state_area.h"

#define XMM(n) (160 + 16 * (n))

static const uint8_t *const device = guest.mmio;

static uint64_t processes_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* XMM and YMM registers, each byte another, of code of so many bits. */
static void begin_area(unsigned bits)
{
    const uint64_t components = 7;

    guest_begin(bits);
    regs[REG_CR4] = CR4_OSFXSR | CR4_OSXSAVE;
    guest.vcpu.arch.xcr0 = processes_xcr0();
    for (unsigned i = 0; i < 256; i++)
        guest.state[XMM(0) + i] = (uint8_t)(i ^ 0x5a), guest.state[576 + i] = (uint8_t)(i ^ 0xa5);
    memcpy(guest.state + AREA_HEADER, &components, sizeof(components));
    memset(guest.mmio, 0xee, sizeof(guest.mmio));
    gpr()[REG_RDI] = GUEST_MMIO;
    gpr()[REG_RAX] = 7;
}

static bool untouched(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (device[i] != 0xee)
            return false;
    return true;
}

static uint64_t word(unsigned at)
{
    uint64_t value;

    memcpy(&value, device + at, sizeof(value));
    return value;
}

static void what_only_64_bit_code_has_is_not_saved_by_other(void **state)
{
    (void)state;
    begin_area(32);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x07); /* fxsave [edi] */
    expect_done(GUEST_MMIO);
    assert_memory_equal(device + XMM(0), guest.state + XMM(0), 128);
    assert_true(untouched(XMM(8), 416));
    assert_true(untouched(464, sizeof(guest.mmio)));
    begin_area(64);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x07);
    expect_done(GUEST_MMIO);
    assert_memory_equal(device + XMM(0), guest.state + XMM(0), 256);
    if (!(guest.vcpu.arch.xcr0 & 4))
        return;
    begin_area(32);
    memset(guest.mmio + AREA_HEADER, 0, 64);
    guest.mmio[AREA_HEADER + 1] = 0x80; /* XSTATE_BV of what is not asked for stays */
    GUEST_CODE(CODE, 0x0f, 0xae, 0x27); /* xsave [edi] */
    expect_done(GUEST_MMIO);
    assert_memory_equal(device + 576, guest.state + 576, 128);
    assert_true(untouched(576 + 128, sizeof(guest.mmio)));
    assert_true(untouched(XMM(8), 416));
    assert_int_equal(word(AREA_HEADER) & ~UINT64_C(1), 0x8006);
    begin_area(64);
    memset(guest.mmio + AREA_HEADER, 0, 64);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x27);
    expect_done(GUEST_MMIO);
    assert_memory_equal(device + 576, guest.state + 576, 256);
}

static void what_only_64_bit_code_has_is_not_restored_by_other(void **state)
{
    uint8_t before[GUEST_STATE];
    const uint64_t sse = BIT(1);

    (void)state;
    begin_area(32);
    memcpy(before, guest.state, sizeof(before));
    memset(guest.mmio, 0, 512);
    guest.mmio[24] = 0x80, guest.mmio[25] = 0x1f; /* MXCSR */
    memset(guest.mmio + XMM(0), 0x33, 256);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x0f); /* fxrstor [edi] */
    expect_done(GUEST_MMIO);
    assert_memory_equal(guest.state + XMM(0), device + XMM(0), 128);
    assert_memory_equal(guest.state + XMM(8), before + XMM(8), 128);
    for (unsigned i = 0; i < guest.access_count; i++)
        assert_true(guest.accesses[i].address + guest.accesses[i].size <= XMM(8));
    if (!(guest.vcpu.arch.xcr0 & 4))
        return;
    begin_area(32);
    memset(guest.mmio + AREA_HEADER, 0, 64);
    memcpy(guest.mmio + AREA_HEADER, &sse, sizeof(sse)); /* AVX as after RESET */
    memset(guest.mmio + 24, 0, 8);
    gpr()[REG_RAX] = 6;
    GUEST_CODE(CODE, 0x0f, 0xae, 0x2f); /* xrstor [edi] */
    expect_done(GUEST_MMIO);
    assert_memory_equal(guest.state + XMM(0), device + XMM(0), 128);
    assert_memory_equal(guest.state + XMM(8), before + XMM(8), 128);
    assert_memory_equal(guest.state + 576 + 128, before + 576 + 128, 128);
    for (unsigned i = 0; i < 128; i++)
        assert_int_equal(guest.state[576 + i], 0);
}

static void an_area_is_read_where_its_header_says(void **state)
{
    const uint64_t nothing = 0;

    (void)state;
    begin_area(64);
    memset(guest.mmio + AREA_HEADER, 0, 64);
    memcpy(guest.mmio + AREA_HEADER, &nothing, sizeof(nothing));
    gpr()[REG_RAX] = 1;
    GUEST_CODE(CODE, 0x0f, 0xae, 0x2f); /* xrstor [rdi]: x87 as after RESET */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.access_count, 8); /* the header alone */
    for (unsigned i = 0; i < 8; i++)
        expect_access(i, false, AREA_HEADER + 8 * i, 8, 0);
}

/* Words of a header that no XRSTOR takes, and what it may look at to find that. */
static void a_bad_header_is_gp_before_anything_else_is_read(void **state)
{
    static const struct {
        uint8_t at;
        uint64_t value;
    } rows[] = {{0, BIT(62)}, {0, BIT(19)}, {8, 1}, {16, 1}, {8, BIT(63) | BIT(61)}, {40, BIT(63)}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        begin_area(64);
        memset(guest.mmio + AREA_HEADER, 0, 64);
        if (rows[i].at == 40) /* of the compacted format all words count */
            memcpy(guest.mmio + AREA_HEADER + 8, &rows[i].value, 8);
        memcpy(guest.mmio + AREA_HEADER + rows[i].at, &rows[i].value, 8);
        GUEST_CODE(CODE, 0x0f, 0xae, 0x2f);
        expect_fault(GUEST_MMIO, EXC_GP, 0);
        for (unsigned j = 0; j < guest.access_count; j++)
            assert_true(guest.accesses[j].address >= AREA_HEADER);
    }
    begin_area(64); /* and a hole's */
    gpr()[REG_RDI] = 0x80000000;
    GUEST_CODE(CODE, 0x0f, 0xae, 0x2f);
    expect_fault(0x80000000, EXC_GP, 0);
}

static void areas_fault_as_a_whole(void **state)
{
    (void)state;
    begin_area(64);
    gpr()[REG_RDI] = GUEST_MMIO + 8;
    GUEST_CODE(CODE, 0x0f, 0xae, 0x07); /* fxsave [rdi] */
    expect_fault(GUEST_MMIO + 8, EXC_GP, 0);
    gpr()[REG_RDI] = GUEST_MMIO + 32;
    expect_done(GUEST_MMIO + 32);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x27); /* xsave [rdi] */
    expect_fault(GUEST_MMIO + 32, EXC_GP, 0);
    begin_area(32);
    page_everything();
    regs[REG_CR4] |= CR4_OSFXSR;
    guest_poke(0x11000 + 4 * 0x301, 4, 0);
    gpr()[REG_RDI] = 0x300f80; /* its end is in the next page, which is not there */
    GUEST_CODE(CODE, 0x0f, 0xae, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_PF, 2);
    assert_int_equal(guest.access_count, 0);
    GUEST_CODE(CODE, 0x0f, 0xae, 0x0f); /* fxrstor [edi] */
    expect_fault(EMULATE_NO_GPA, EXC_PF, 0);
    assert_int_equal(guest.access_count, 0);
    guest_poke(0x11000 + 4 * 0x301, 4, 0x6000 | P_RW_US); /* and now it is, in RAM */
    GUEST_CODE(CODE, 0x0f, 0xae, 0x07);
    expect_done(EMULATE_NO_GPA);
    assert_memory_equal(device + 0xf80, guest.state, 2);
    assert_memory_equal(guest.ram + 0x6000 + XMM(0) - 0x80, guest.state + XMM(0), 128);
}

static void control_registers_and_level_forbid_as_the_manual_says(void **state)
{
    static const uint8_t fxsave[] = {0x0f, 0xae, 0x07}, xsave[] = {0x0f, 0xae, 0x27},
                         xsaves[] = {0x0f, 0xc7, 0x2f};

    (void)state;
    begin_area(64);
    guest_code(CODE, xsave, 3);
    regs[REG_CR4] = CR4_OSFXSR;
    expect_fault(GUEST_MMIO, EXC_UD, 0);
    regs[REG_CR4] |= CR4_OSXSAVE;
    regs[REG_CR0] |= CR0_TS;
    expect_fault(GUEST_MMIO, EXC_NM, 0);
    regs[REG_CR0] ^= CR0_TS | CR0_EM; /* which is of no interest to it */
    guest_code(CODE, fxsave, 3);
    expect_fault(GUEST_MMIO, EXC_NM, 0);
    guest_code(CODE, xsaves, 3);
    guest_set_cpl(3);
    expect_fault(GUEST_MMIO, __builtin_cpu_supports("xsaves") ? EXC_GP : EXC_UD, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_64_bit_code_has_is_not_saved_by_other),
        cmocka_unit_test(what_only_64_bit_code_has_is_not_restored_by_other),
        cmocka_unit_test(an_area_is_read_where_its_header_says),
        cmocka_unit_test(a_bad_header_is_gp_before_anything_else_is_read),
        cmocka_unit_test(areas_fault_as_a_whole),
        cmocka_unit_test(control_registers_and_level_forbid_as_the_manual_says),
    };
    return cmocka_run_group_tests_name("emulate_area", tests, NULL, guest_end);
}
