/* A debugger's breakpoints, watchpoints and steps beside the guest's own. */
#include "hv/event/guest_debug.h"
#include "tests/unit/guest.h"

#include <string.h>

#define CODE    0x1000
#define IDT     0x4000
#define STACK   0x6000
#define HANDLER 0x7000

static struct vm_debug debug;
static unsigned stops;
static enum debug_why why;
static const struct debug_point *hit;

static void stopped(struct vcpu *vcpu, enum debug_why reason, const struct debug_point *point)
{
    assert_ptr_equal(vcpu, &guest.vcpu);
    stops++;
    why = reason;
    hit = point;
}

/* What the vCPU's core does before the next entry. */
static void apply(void)
{
    assert_true(guest.vcpu.requests & REQUEST_DEBUG);
    guest.vcpu.requests = 0;
    debug_apply(&guest.vcpu);
}

static void begin(unsigned bits)
{
    guest_begin(bits);
    memset(&debug, 0, sizeof(debug));
    debug.stopped = stopped;
    stops = 0;
    hit = NULL;
    fake_cpu.regs[REG_DR7] = 0x400;
    fake_cpu.regs[REG_RSP] = STACK;
    fake_cpu.segments[SEG_IDTR].base = IDT;
    debug_attach(&guest.vm, &debug);
    apply();
}

static int setup(void **state)
{
    (void)state;
    begin(64);
    return 0;
}

static bool trap_flag(void)
{
    return fake_cpu.regs[REG_RFLAGS] & RFLAGS_TF;
}

static void nothing_exits_without_a_debugger(void **state)
{
    (void)state;
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);
    assert_true(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2000, 4));
    apply();
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS | DEBUG_REGISTERS);
    debug_detach(&guest.vm);
    apply();
    assert_int_equal(fake_cpu.debug, 0);
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x400);
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(0)), BIT(0));
    assert_int_equal(stops, 0);
}

static void a_breakpoint_is_an_int3_that_stops_here_and_goes_again(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90, 0xcc);
    assert_true(debug_set_breakpoint(&guest.vcpu, CODE));
    assert_true(debug_set_breakpoint(&guest.vcpu, CODE)); /* twice is once */
    assert_int_equal(guest_peek(CODE, 1), 0xcc);
    assert_true(debug_on_breakpoint(&guest.vcpu));
    assert_int_equal(why, DEBUG_BREAKPOINT);
    assert_true(debug_clear_breakpoint(&guest.vcpu, CODE));
    assert_int_equal(guest_peek(CODE, 1), 0x90);
    assert_false(debug_clear_breakpoint(&guest.vcpu, CODE));

    fake_cpu.regs[REG_RIP] = CODE + 1; /* the guest's own */
    assert_false(debug_on_breakpoint(&guest.vcpu));
    assert_int_equal(stops, 1);
}

static void a_breakpoint_does_not_undo_what_the_guest_wrote_there(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90, 0x91);
    assert_true(debug_set_breakpoint(&guest.vcpu, CODE));
    assert_true(debug_set_breakpoint(&guest.vcpu, CODE + 1));
    guest_poke(CODE, 1, 0x55);
    debug_clear_breakpoints(&guest.vcpu);
    assert_int_equal(guest_peek(CODE, 2), 0x9155);
    assert_false(debug_on_breakpoint(&guest.vcpu));
}

static void breakpoints_run_out_and_are_refused_where_nothing_is(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS_MOST; i++)
        assert_true(debug_set_breakpoint(&guest.vcpu, CODE + i));
    assert_false(debug_set_breakpoint(&guest.vcpu, CODE + DEBUG_BREAKPOINTS_MOST));
    assert_true(debug_clear_breakpoint(&guest.vcpu, CODE));
    assert_false(debug_set_breakpoint(&guest.vcpu, GUEST_RAM));
    assert_true(debug_set_breakpoint(&guest.vcpu, CODE));
}

static void real_mode_addresses_have_the_segments_base(void **state)
{
    (void)state;
    begin(16);
    fake_cpu.segments[SEG_CS].base = 0x1230;
    fake_cpu.regs[REG_RIP] = 0x10;
    assert_true(debug_set_breakpoint(&guest.vcpu, 0x1240));
    assert_true(debug_on_breakpoint(&guest.vcpu));
}

static void memory_is_moved_up_to_its_end(void **state)
{
    char text[32] = "over a page's border";

    (void)state;
    assert_int_equal(debug_write(&guest.vcpu, 0x1ff8, text, sizeof(text)), sizeof(text));
    memset(text, 0, sizeof(text));
    assert_int_equal(debug_read(&guest.vcpu, 0x1ff8, text, sizeof(text)), sizeof(text));
    assert_string_equal(text, "over a page's border");
    assert_int_equal(debug_read(&guest.vcpu, GUEST_RAM - PAGE_SIZE, text, sizeof(text)), sizeof(text));
    assert_int_equal(debug_read(&guest.vcpu, GUEST_RAM, text, 1), 0);
    assert_int_equal(debug_read(&guest.vcpu, GUEST_MMIO, text, 1), 0);
    assert_int_equal(guest.access_count, 0); /* a device is not touched by looking */
}

static void points_take_the_registers_that_the_guest_leaves(void **state)
{
    (void)state;
    fake_cpu.dr[0] = 0x111;
    fake_cpu.dr[1] = 0x222;
    fake_cpu.regs[REG_DR7] = 0x400 | BIT(0) | UINT64_C(1) << 16; /* L0: writes of one byte */
    assert_true(debug_insert(&guest.vm, DEBUG_ON_EXECUTION, CODE, 1));
    assert_true(debug_insert(&guest.vm, DEBUG_ON_ACCESS, 0x2000, 8));
    apply();
    assert_int_equal(fake_cpu.dr[0], 0x111);
    assert_int_equal(fake_cpu.dr[1], CODE);
    assert_int_equal(fake_cpu.dr[2], 0x2000);
    assert_int_equal(fake_cpu.regs[REG_DR7],
                     0x400 | BIT(0) | BIT(3) | BIT(5) | UINT64_C(1) << 16 | UINT64_C(0xb) << 24);
    assert_int_equal(debug_get_register(&guest.vcpu, 1), 0x222);
    assert_int_equal(debug_get_register(&guest.vcpu, 7), 0x400 | BIT(0) | UINT64_C(1) << 16);

    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(0)), BIT(0)); /* the guest's own */
    assert_int_equal(stops, 0);
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(2) | BIT(0)), BIT(0));
    assert_int_equal(why, DEBUG_POINT);
    assert_int_equal(hit->address, 0x2000);

    debug_set_register(&guest.vcpu, 7, 0x400 | 0xff); /* the guest takes all four */
    assert_int_equal(fake_cpu.dr[1], 0x222);
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x4ff);
    assert_int_equal(debug_on_trap(&guest.vcpu, 15), 15);
    debug_set_register(&guest.vcpu, 7, 0x400);
    assert_int_equal(fake_cpu.dr[0], CODE);
    debug_set_register(&guest.vcpu, 0, 0x333);
    assert_int_equal(fake_cpu.dr[0], CODE);
    assert_int_equal(debug_get_register(&guest.vcpu, 0), 0x333);

    assert_true(debug_remove(&guest.vm, DEBUG_ON_EXECUTION, CODE, 1));
    assert_true(debug_remove(&guest.vm, DEBUG_ON_ACCESS, 0x2000, 8));
    assert_false(debug_remove(&guest.vm, DEBUG_ON_ACCESS, 0x2000, 8));
    apply();
    assert_int_equal(fake_cpu.dr[0], 0x333);
    assert_int_equal(fake_cpu.dr[1], 0x222);
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x400);
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);
}

static void points_that_silicon_cannot_have_are_refused(void **state)
{
    (void)state;
    assert_false(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2000, 3));
    assert_false(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2000, 0));
    assert_false(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2000, 16));
    assert_false(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2002, 4));
    for (unsigned i = 0; i < DEBUG_POINTS; i++)
        assert_true(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x2000 + 8 * i, 8));
    assert_false(debug_insert(&guest.vm, DEBUG_ON_WRITE, 0x3000, 8));
}

static void a_step_traps_behind_one_instruction_and_hides_its_flag(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90);
    debug_step(&guest.vcpu);
    apply();
    assert_true(trap_flag());
    assert_true(fake_cpu.debug & DEBUG_EXCEPTIONS);
    assert_true(debug_steps(&guest.vcpu.arch.debug));
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(14)), 0);
    assert_int_equal(why, DEBUG_STEPPED);
    assert_false(trap_flag());
    apply();
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);
}

static void a_guest_that_steps_itself_gets_its_trap_too(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90);
    fake_cpu.regs[REG_RFLAGS] |= RFLAGS_TF;
    debug_step(&guest.vcpu);
    apply();
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(14)), BIT(14));
    assert_int_equal(stops, 1);
    assert_true(trap_flag());
}

static void a_step_that_is_given_up_leaves_nothing_behind(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90);
    debug_step(&guest.vcpu);
    apply();
    debug_give_up_step(&guest.vcpu);
    apply();
    assert_false(trap_flag());
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);

    debug_step(&guest.vcpu);
    apply();
    debug_give_up_step(&guest.vcpu);
    debug_step(&guest.vcpu); /* asked for again before it ran */
    apply();
    assert_true(trap_flag());
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(14)), 0);
    assert_false(trap_flag());
    assert_int_equal(stops, 1);
}

static void a_step_given_up_twice_before_it_runs_leaves_no_flag(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90);
    debug_step(&guest.vcpu);
    apply();
    debug_give_up_step(&guest.vcpu); /* and the vCPU stays while others run */
    debug_give_up_step(&guest.vcpu);
    apply();
    assert_false(trap_flag());
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);
}

static void pushf_does_not_show_the_flag(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x66, 0x9c);
    debug_step(&guest.vcpu);
    apply();
    fake_cpu.regs[REG_RSP] -= 2;
    guest_poke(STACK - 2, 2, fake_cpu.regs[REG_RFLAGS]);
    debug_on_trap(&guest.vcpu, BIT(14));
    assert_int_equal(guest_peek(STACK - 2, 2), RFLAGS_1);
}

static void popf_loads_the_guests_own_flag(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x9d);
    debug_step(&guest.vcpu);
    apply();
    fake_cpu.regs[REG_RFLAGS] = RFLAGS_1 | RFLAGS_TF; /* as it was on the stack */
    debug_on_trap(&guest.vcpu, BIT(14));
    assert_true(trap_flag());
}

static void gate(unsigned vector, uint64_t handler)
{
    guest_poke(IDT + 16 * vector, 8,
               (handler & 0xffff) | UINT64_C(0x8e00) << 32 | (handler & 0xffff0000) << 32);
    guest_poke(IDT + 16 * vector + 8, 8, handler >> 32);
}

/* The step ends at the first instruction of the handler, and TF is not on the way there. */
static void lands_at(uint64_t address)
{
    assert_false(trap_flag());
    assert_int_equal(fake_cpu.dr[0], address);
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x402);
    assert_int_equal(stops, 0);
    assert_int_equal(debug_on_trap(&guest.vcpu, BIT(0)), 0);
    assert_int_equal(stops, 1);
    assert_int_equal(why, DEBUG_STEPPED);
    apply();
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x400);
    assert_int_equal(fake_cpu.debug, DEBUG_BREAKPOINTS);
}

static void a_step_into_an_interrupt_gate_lands_in_its_handler(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0xcd, 0x21);
    gate(0x21, 0xffff800000007000);
    debug_step(&guest.vcpu);
    apply();
    lands_at(0xffff800000007000);
}

static void a_step_with_an_event_on_its_way_lands_in_its_handler(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x90);
    gate(14, HANDLER);
    guest.vcpu.arch.event = (struct event){.valid = true, .type = EVENT_EXCEPTION, .vector = 14};
    debug_step(&guest.vcpu);
    apply();
    lands_at(HANDLER);
}

static void a_step_that_faults_lands_in_the_handler(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0xf7, 0xf0);
    gate(0, HANDLER);
    debug_step(&guest.vcpu);
    apply();
    assert_true(trap_flag());
    debug_on_exception(&guest.vcpu);
    assert_false(trap_flag());
    guest.vcpu.arch.event = (struct event){.valid = true, .type = EVENT_EXCEPTION, .vector = 0};
    apply();
    lands_at(HANDLER);
}

static void a_fault_on_the_way_to_the_handler_leads_to_the_next(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0xcc);
    gate(3, 0x5555);
    gate(11, HANDLER);
    debug_step(&guest.vcpu);
    apply();
    assert_int_equal(fake_cpu.dr[0], 0x5555);
    debug_on_exception(&guest.vcpu); /* #NP: the gate is not present */
    guest.vcpu.arch.event = (struct event){.valid = true, .type = EVENT_EXCEPTION, .vector = 11};
    apply();
    lands_at(HANDLER);
}

static void syscall_is_awaited_at_its_entry(void **state)
{
    (void)state;
    GUEST_CODE(CODE, 0x0f, 0x05);
    fake_cpu.msrs[0] = 0xc0000082;
    fake_cpu.msrs[1] = 0xffffffff81000000;
    debug_step(&guest.vcpu);
    apply();
    lands_at(0xffffffff81000000);
}

static void into_goes_on_without_overflow(void **state)
{
    (void)state;
    begin(32);
    GUEST_CODE(CODE, 0xce);
    debug_step(&guest.vcpu);
    apply();
    assert_true(trap_flag());
}

static void a_protected_mode_handler_has_its_segments_base(void **state)
{
    (void)state;
    begin(32);
    fake_cpu.segments[SEG_GDTR].base = 0x3000;
    guest_poke(0x3010, 8, UINT64_C(0x00cf9b0100000000) | UINT64_C(0x2000) << 16); /* base 0x12000 */
    guest_poke(IDT + 8 * 0x30, 8, 0x0345 | UINT64_C(0x10) << 16 | UINT64_C(0x8e00) << 32);
    GUEST_CODE(CODE, 0x90, 0xcd, 0x30);
    fake_cpu.regs[REG_RIP]++;
    debug_step(&guest.vcpu);
    apply();
    lands_at(0x12345);
}

static void a_real_mode_handler_is_in_the_vector_table(void **state)
{
    (void)state;
    begin(16);
    fake_cpu.segments[SEG_IDTR].base = 0;
    guest_poke(4 * 0x10, 4, 0xf0001234);
    GUEST_CODE(CODE, 0xcd, 0x10);
    debug_step(&guest.vcpu);
    apply();
    lands_at(0xf1234);
}

static void a_task_gate_is_followed_without_a_stop(void **state)
{
    (void)state;
    begin(32);
    guest_poke(IDT + 8 * 0x30, 8, UINT64_C(0x8500) << 32);
    GUEST_CODE(CODE, 0xcd, 0x30);
    debug_step(&guest.vcpu);
    apply();
    assert_true(trap_flag());
}

static void a_reset_forgets_the_registers_and_asks_again(void **state)
{
    (void)state;
    assert_true(debug_insert(&guest.vm, DEBUG_ON_EXECUTION, CODE, 1));
    apply();
    memset(fake_cpu.dr, 0, sizeof(fake_cpu.dr));
    fake_cpu.regs[REG_DR7] = 0x400;
    debug_reset(&guest.vcpu);
    apply();
    assert_int_equal(fake_cpu.dr[0], CODE);
    assert_int_equal(fake_cpu.regs[REG_DR7], 0x402);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, guest_end)
    static const struct CMUnitTest tests[] = {
        TEST(nothing_exits_without_a_debugger),
        TEST(a_breakpoint_is_an_int3_that_stops_here_and_goes_again),
        TEST(a_breakpoint_does_not_undo_what_the_guest_wrote_there),
        TEST(breakpoints_run_out_and_are_refused_where_nothing_is),
        TEST(real_mode_addresses_have_the_segments_base),
        TEST(memory_is_moved_up_to_its_end),
        TEST(points_take_the_registers_that_the_guest_leaves),
        TEST(points_that_silicon_cannot_have_are_refused),
        TEST(a_step_traps_behind_one_instruction_and_hides_its_flag),
        TEST(a_guest_that_steps_itself_gets_its_trap_too),
        TEST(a_step_that_is_given_up_leaves_nothing_behind),
        TEST(a_step_given_up_twice_before_it_runs_leaves_no_flag),
        TEST(pushf_does_not_show_the_flag),
        TEST(popf_loads_the_guests_own_flag),
        TEST(a_step_into_an_interrupt_gate_lands_in_its_handler),
        TEST(a_step_with_an_event_on_its_way_lands_in_its_handler),
        TEST(a_step_that_faults_lands_in_the_handler),
        TEST(a_fault_on_the_way_to_the_handler_leads_to_the_next),
        TEST(syscall_is_awaited_at_its_entry),
        TEST(into_goes_on_without_overflow),
        TEST(a_protected_mode_handler_has_its_segments_base),
        TEST(a_real_mode_handler_is_in_the_vector_table),
        TEST(a_task_gate_is_followed_without_a_stop),
        TEST(a_reset_forgets_the_registers_and_asks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
