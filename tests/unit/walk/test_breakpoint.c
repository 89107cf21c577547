/* Breakpoints on data and ports of what Keel does in the CPU's place, and RFLAGS.RF between the elements of a
 * string. */
#include "tests/unit/emulate/emulate_fixture.h"

#include "hv/walk/breakpoint.h"

#define DR7(n, kind) (BIT(2 * (n)) | (uint64_t)(kind) << (16 + 4 * (n)))
enum { WRITE_1 = 1, WRITE_8 = 9, WRITE_4 = 13, ACCESS_4 = 15, PORT_1 = 2, PORT_2 = 6, EXECUTE = 0 };

/* The definition, byte by byte. */
static bool meets(uint64_t breakpoint, unsigned length, uint64_t address, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        if ((address + i) / length == breakpoint / length)
            return true;
    return false;
}

static void an_access_meets_a_breakpoint_that_shares_a_byte_with_it(void **state)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};

    (void)state;
    guest_begin(64);
    for (unsigned len = 0; len < 4; len++)
        for (uint64_t breakpoint = 0x1000; breakpoint < 0x1010; breakpoint++)
            for (uint64_t address = 0xff0; address < 0x1020; address++)
                for (unsigned size = 1; size <= 16; size *= 2) {
                    fake_cpu.dr[3] = breakpoint;
                    assert_int_equal(
                        breakpoints_hit(DR7(3, len << 2 | 1), BREAKPOINTS_ON_WRITE, address, size),
                        meets(breakpoint, lengths[len], address, size) ? BIT(3) : 0);
                }
}

/* Of breakpoints at the device, those that this instruction meets there. */
static void expect_hits(uint64_t dr7, uint64_t hits)
{
    for (unsigned n = 0; n < 4; n++)
        fake_cpu.dr[n] = GUEST_MMIO;
    regs[REG_DR7] = dr7 | 0x400;
    for (unsigned i = 0; i < 2; i++) { /* remembered, the second time */
        guest.traps = 0;
        regs[REG_RIP] = CODE;
        gpr()[REG_RDI] = gpr()[REG_RBX] = GUEST_MMIO;
        expect_done(GUEST_MMIO);
        assert_int_equal(guest.traps, hits);
    }
}

static void each_kind_of_access_meets_its_own_breakpoints(void **state)
{
    const uint64_t all = DR7(0, WRITE_1) | DR7(1, ACCESS_4) | DR7(2, EXECUTE) | DR7(3, PORT_1);

    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0x8b, 0x03); /* mov eax, [rbx] */
    expect_hits(0, 0);            /* the quick way */
    expect_hits(all, BIT(1));
    expect_hits(0, 0);
    GUEST_CODE(CODE, 0x89, 0x03); /* mov [rbx], eax */
    expect_hits(all, BIT(0) | BIT(1));
    GUEST_CODE(CODE, 0x01, 0x03); /* add [rbx], eax */
    expect_hits(all, BIT(0) | BIT(1));
    GUEST_CODE(CODE, 0x39, 0x03); /* cmp [rbx], eax */
    expect_hits(all, BIT(1));
    GUEST_CODE(CODE, 0xab); /* stosd */
    expect_hits(all, BIT(0) | BIT(1));
}

static void strings_of_ports_meet_those_on_ports_while_cr4_de_is_set(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0x6c); /* insb */
    gpr()[REG_RDX] = GUEST_PORTS;
    for (unsigned de = 0; de < 2; de++) {
        guest.traps = 0;
        regs[REG_RIP] = CODE;
        regs[REG_CR4] = de ? CR4_DE : 0;
        regs[REG_DR7] = DR7(0, PORT_2) | DR7(1, WRITE_1);
        fake_cpu.dr[0] = GUEST_PORTS + 1;
        fake_cpu.dr[1] = gpr()[REG_RDI] = 0x5000;
        expect_done(EMULATE_NO_GPA);
        assert_int_equal(guest.traps, (de ? BIT(0) : 0) | BIT(1));
    }
}

static void what_faults_meets_none(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 5, 4, 0);
    GUEST_CODE(CODE, 0xaa); /* stosb */
    regs[REG_DR7] = DR7(0, WRITE_1);
    fake_cpu.dr[0] = gpr()[REG_RDI] = 0x5000;
    expect_fault(EMULATE_NO_GPA, EXC_PF, 2);
    assert_int_equal(guest.traps, 0);
}

static void a_string_that_goes_on_has_passed_its_own_breakpoint(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xaa); /* rep stosb */
    gpr()[REG_RCX] = 3;
    gpr()[REG_RDI] = GUEST_MMIO;
    regs[REG_DR7] = DR7(0, WRITE_8);
    fake_cpu.dr[0] = GUEST_MMIO;
    for (unsigned left = 2; left < 3; left--) {
        guest.traps = 0;
        expect_done(GUEST_MMIO);
        assert_int_equal(gpr()[REG_RCX], left); /* a trap comes behind each element */
        assert_int_equal(guest.traps, BIT(0));
        if (left)
            assert_int_equal(regs[REG_RFLAGS] & RFLAGS_RF, RFLAGS_RF);
        assert_int_equal(regs[REG_RIP], left ? CODE : CODE + 2);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(an_access_meets_a_breakpoint_that_shares_a_byte_with_it),
        TEST(each_kind_of_access_meets_its_own_breakpoints),
        TEST(strings_of_ports_meet_those_on_ports_while_cr4_de_is_set),
        TEST(what_faults_meets_none),
        TEST(a_string_that_goes_on_has_passed_its_own_breakpoint),
    };
    return cmocka_run_group_tests_name("breakpoint", tests, NULL, NULL);
}
