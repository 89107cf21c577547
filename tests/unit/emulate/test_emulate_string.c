/* String instructions: REP in shares, faults in the midst of one, INS and OUTS and who may. */
#include "tests/unit/emulate/emulate_fixture.h"

#include "hv/walk/io_permission.h"

static void a_long_rep_comes_in_shares(void **state)
{
    unsigned exits = 0;

    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xa4); /* rep movsb */
    gpr()[REG_RCX] = 2000;
    gpr()[REG_RSI] = 0x5000;
    gpr()[REG_RDI] = GUEST_MMIO;
    for (unsigned i = 0; i < 2000; i++)
        guest.ram[0x5000 + i] = i * 7;
    while (regs[REG_RIP] == CODE && exits++ < 100) {
        expect_done(GUEST_MMIO);
        assert_int_equal(gpr()[REG_RSI] - 0x5000, 2000 - gpr()[REG_RCX]);
        assert_int_equal(gpr()[REG_RDI] - GUEST_MMIO, 2000 - gpr()[REG_RCX]);
    }
    assert_in_range(exits, 2, 10);
    assert_int_equal(gpr()[REG_RCX], 0);
    assert_memory_equal(guest.mmio, guest.ram + 0x5000, 2000);
}

static void a_rep_leaves_when_work_is_waiting(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xab);
    gpr()[REG_RCX] = 100;
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.vcpu.requests = REQUEST_EVENT;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RCX], 99); /* never without progress */
    assert_int_equal(regs[REG_RIP], CODE);
}

static void a_rep_of_nothing_touches_nothing(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xa4);
    gpr()[REG_RSI] = BIT(63); /* not even canonical */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

static void a_fault_in_a_rep_keeps_what_is_done(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 6, 4, 0x6000 | 1); /* read-only */
    GUEST_CODE(CODE, 0xf3, 0xab);               /* rep stosd */
    gpr()[REG_RAX] = 0x5a5a5a5a;
    gpr()[REG_RCX] = 16;
    gpr()[REG_RDI] = 0x5ff6; /* the third crosses */
    expect_fault(EMULATE_NO_GPA, EXC_PF, 3);
    assert_int_equal(guest.fault.address, 0x6000);
    assert_int_equal(gpr()[REG_RCX], 14);
    assert_int_equal(gpr()[REG_RDI], 0x5ffe);
    assert_int_equal(guest_peek(0x5ffa, 4), 0x5a5a5a5a);
    assert_int_equal(guest_peek(0x5ffe, 2), 0);
}

static void a_rep_stops_at_the_segments_limit(void **state)
{
    (void)state;
    guest_begin(16);
    GUEST_CODE(CODE, 0xf3, 0xaa); /* rep stosb */
    fake_cpu.segments[SEG_ES].limit = 0x5003;
    gpr()[REG_RCX] = 16;
    gpr()[REG_RDI] = 0x5000;
    gpr()[REG_RAX] = 1;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(gpr()[REG_RCX], 12);
    assert_int_equal(guest_peek(0x5000, 8), 0x01010101);
}

static void sixteen_bit_strings_wrap_at_64k(void **state)
{
    (void)state;
    guest_begin(16);
    GUEST_CODE(CODE, 0xf3, 0xaa);
    fake_cpu.segments[SEG_ES].base = 0x20000;
    gpr()[REG_RCX] = 0x10004;
    gpr()[REG_RDI] = 0xfffe;
    gpr()[REG_RAX] = 9;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest_peek(0x2fffe, 4), 0x0909);
    assert_int_equal(guest_peek(0x20000, 4), 0x0909);
    assert_int_equal(gpr()[REG_RCX], 0x10000); /* CX alone counts */
    assert_int_equal(gpr()[REG_RDI], 2);
}

static void the_direction_flag_turns_strings_round(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0x66, 0xa5); /* rep movsw */
    regs[REG_RFLAGS] |= RFLAGS_DF;
    gpr()[REG_RCX] = 3;
    gpr()[REG_RSI] = 0x6000;
    gpr()[REG_RDI] = GUEST_MMIO + 4;
    guest_poke(0x5ffc, 8, 0x33332222111);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RSI], 0x5ffa);
    assert_memory_equal(guest.mmio, guest.ram + 0x5ffc, 6);
    expect_access(0, true, 4, 2, guest_peek(0x6000, 2));
}

static void a_single_step_is_one_element(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xaa);
    regs[REG_RFLAGS] |= RFLAGS_TF;
    gpr()[REG_RCX] = 2;
    gpr()[REG_RDI] = GUEST_MMIO;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RCX], 1);
    assert_int_equal(fake_cpu.advances, 1); /* so that the trap comes */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

static void string_input_checks_memory_before_it_reads_the_port(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 6, 4, 0);
    GUEST_CODE(CODE, 0xf3, 0x66, 0x6d); /* rep insw */
    gpr()[REG_RDX] = GUEST_PORTS + 2;
    gpr()[REG_RCX] = 4;
    gpr()[REG_RDI] = 0x5ffc;
    expect_fault(EMULATE_NO_GPA, EXC_PF, 2);
    assert_int_equal(guest.access_count, 2);
    expect_access(0, false, GUEST_PORTS + 2, 2, 0x0100);
    assert_int_equal(guest_peek(0x5ffc, 4), 0x05040100);
    assert_int_equal(gpr()[REG_RCX], 2);
}

static void string_output_sends_memory_to_the_port(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0x6e); /* rep outsb */
    gpr()[REG_RDX] = GUEST_PORTS;
    gpr()[REG_RCX] = 2;
    gpr()[REG_RSI] = 0x5000;
    guest_poke(0x5000, 2, 0x4241);
    expect_done(EMULATE_NO_GPA);
    expect_access(0, true, GUEST_PORTS, 1, 0x41);
    expect_access(1, true, GUEST_PORTS, 1, 0x42);
    assert_int_equal(gpr()[REG_RSI], 0x5002);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

/* A 32-bit TSS at 0x7000 with its bitmap at 0x7068, which denies port 0x300 alone. */
static void set_up_bitmap(void)
{
    fake_cpu.segments[SEG_TR] = (struct segment){.base = 0x7000, .limit = 0x68 + 0x80, .attributes = 0x8b};
    guest_poke(0x7066, 2, 0x68);
    guest.ram[0x7068 + 0x60] = 1;
}

static void the_bitmap_guards_ports_from_programs(void **state)
{
    struct fault fault;

    (void)state;
    guest_begin(32);
    set_up_bitmap();
    assert_true(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    guest_set_cpl(3);
    assert_false(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    assert_int_equal(fault.vector, EXC_GP);
    assert_true(io_permitted(&guest.vcpu, 0x301, 1, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x2ff, 1, &fault));
    assert_false(io_permitted(&guest.vcpu, 0x2ff, 2, &fault)); /* any port of it */
    assert_false(io_permitted(&guest.vcpu, 0x2fd, 4, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x2fc, 4, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x3ff, 1, &fault));
    assert_false(io_permitted(&guest.vcpu, 0x400, 1, &fault)); /* its second byte is beyond the limit */
    regs[REG_RFLAGS] |= 3 << 12;                               /* IOPL */
    assert_true(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    regs[REG_RFLAGS] |= RFLAGS_VM; /* where IOPL does not matter */
    assert_false(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    fake_cpu.segments[SEG_TR].attributes = 0x83; /* a 16-bit TSS has no bitmap */
    assert_false(io_permitted(&guest.vcpu, 0x301, 1, &fault));
}

static void a_forbidden_string_output_is_a_protection_fault(void **state)
{
    (void)state;
    guest_begin(32);
    set_up_bitmap();
    guest_set_cpl(3);
    GUEST_CODE(CODE, 0x6e);
    gpr()[REG_RDX] = 0x300;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(guest.access_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(a_long_rep_comes_in_shares),
        TEST(a_rep_leaves_when_work_is_waiting),
        TEST(a_rep_of_nothing_touches_nothing),
        TEST(a_fault_in_a_rep_keeps_what_is_done),
        TEST(a_rep_stops_at_the_segments_limit),
        TEST(sixteen_bit_strings_wrap_at_64k),
        TEST(the_direction_flag_turns_strings_round),
        TEST(a_single_step_is_one_element),
        TEST(string_input_checks_memory_before_it_reads_the_port),
        TEST(string_output_sends_memory_to_the_port),
        TEST(the_bitmap_guards_ports_from_programs),
        TEST(a_forbidden_string_output_is_a_protection_fault),
    };
    return cmocka_run_group_tests_name("emulate_string", tests, NULL, NULL);
}
