/* Far jumps, calls and returns, and IRET, of a pointer or a stack on a device: to any level, mode and task.
 */
#include "hv/cpu/registers.h"
#include "tests/unit/emulate/emulate_fixture.h"

#define STACK (GUEST_MMIO + 0x800)
#define TSS   0x4800 /* of the task that runs */

enum {
    CODE0 = 0x08,
    DATA0 = 0x10,
    CODE3 = 0x1b,
    DATA3 = 0x23,
    GATE = 0x28,       /* for all: to level 0, with two parameters */
    TASK = 0x30,       /* for level 0 */
    CONFORMING = 0x38, /* of level 0 */
    TASK_GATE = 0x40,  /* for level 0 */
    GATE_16 = 0x48,    /* for level 0, to level 0 */
    ABSENT_GATE = 0x50,
    BUSY = 0x58,
    END = 0x60,
};

static void begin_protected(void)
{
    static const uint64_t gdt[] = {0,
                                   0x00cf9b000000ffff,
                                   0x00cf93000000ffff,
                                   0x00cffb000000ffff,
                                   0x00cff3000000ffff,
                                   0x0000ec0200082000,
                                   0x0000890040000067,
                                   0x00cf9f000000ffff,
                                   0x0000850000300000,
                                   0x1234840000082000,
                                   0x00006c0000082000,
                                   0x00008b0040000067};

    guest_begin(32);
    make_gdt(gdt, ARRAY_LENGTH(gdt));
    fake_cpu.segments[SEG_TR] = (struct segment){.base = TSS, .limit = 0x67, .attributes = 0x8b};
    fake_cpu.segments[SEG_CS].selector = CODE0;
    fake_cpu.segments[SEG_SS].selector = DATA0;
    regs[REG_RSP] = STACK;
    gpr()[REG_RDI] = GUEST_MMIO;
}

static void to_level_3(void)
{
    guest_set_cpl(3);
    fake_cpu.segments[SEG_CS].selector = CODE3;
    fake_cpu.segments[SEG_SS].selector = DATA3;
}

/* A far pointer of 32 bits at EDI. */
static void point(uint16_t selector, uint32_t offset)
{
    memcpy(guest.mmio, &offset, 4);
    memcpy(guest.mmio + 4, &selector, 2);
}

/* Slots on the device, from STACK on. */
static void stack_has(unsigned size, const uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memcpy(guest.mmio + 0x800 + i * size, &values[i], size);
}
#define STACK_HAS(size, ...)                                                                                 \
    stack_has(size, (const uint64_t[]){__VA_ARGS__}, ARRAY_LENGTH(((const uint64_t[]){__VA_ARGS__})))

/* Slots on the device, from `address` on. */
static void expect_slots(uint64_t address, unsigned size, const uint64_t *values, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = 0;

        memcpy(&value, guest.mmio + (address - GUEST_MMIO) + i * size, size);
        assert_int_equal(value, values[i]);
    }
}
#define EXPECT_SLOTS(address, size, ...)                                                                     \
    expect_slots(address, size, (const uint64_t[]){__VA_ARGS__},                                             \
                 ARRAY_LENGTH(((const uint64_t[]){__VA_ARGS__})))

static void expect_at(uint64_t rip, uint16_t cs, uint64_t rsp, unsigned cpl)
{
    assert_int_equal(regs[REG_RIP], rip);
    assert_int_equal(fake_cpu.segments[SEG_CS].selector, cs);
    assert_int_equal(regs[REG_RSP], rsp);
    assert_int_equal(vcpu_cpl(&guest.vcpu), cpl);
}

static void in_real_mode_selectors_are_bases(void **state)
{
    (void)state;
    guest_begin(16);
    fake_cpu.segments[SEG_CS] = (struct segment){.selector = 0, .limit = 0xffff, .attributes = 0x9b};
    fake_cpu.segments[SEG_SS].base = GUEST_MMIO;
    regs[REG_RSP] = 0x12340800;
    regs[REG_RFLAGS] |= RFLAGS_IF;
    GUEST_CODE(CODE, 0x9a, 0x00, 0x02, 0x00, 0x02); /* call 0x200:0x200 */
    expect_done(EMULATE_NO_GPA);
    expect_at(0x200, 0x200, 0x123407fc, 0);
    assert_int_equal(fake_cpu.segments[SEG_CS].base, 0x2000);
    EXPECT_SLOTS(GUEST_MMIO + 0x7fc, 2, CODE + 5, 0);
    GUEST_CODE(0x2200, 0xca, 0x04, 0x00); /* retf 4 */
    expect_done(EMULATE_NO_GPA);
    expect_at(CODE + 5, 0, 0x12340804, 0);
    STACK_HAS(2, 0x300, 0x200, 0x0ed5); /* flags: no IF */
    regs[REG_RSP] = 0x800;
    GUEST_CODE(CODE, 0xcf); /* iret */
    fake_cpu.block_nmi = true;
    expect_done(EMULATE_NO_GPA);
    expect_at(0x300, 0x200, 0x806, 0);
    assert_false(fake_cpu.block_nmi);
    assert_int_equal(regs[REG_RFLAGS] & 0xffff, 0x0ed7 & ~0x28);
}

static void calls_and_jumps_keep_the_level(void **state)
{
    static const struct {
        uint16_t selector;
        uint8_t vector, cpl;
    } bad[] = {{0, EXC_GP, 0},         {3, EXC_GP, 0},    {DATA0, EXC_GP, 0},       {CODE3, EXC_GP, 0},
               {CODE0 | 3, EXC_GP, 0}, {END, EXC_GP, 0},  {ABSENT_GATE, EXC_NP, 0}, {BUSY, EXC_GP, 0},
               {CODE0, EXC_GP, 3},     {TASK, EXC_GP, 3}, {GATE_16, EXC_GP, 3},     {TASK_GATE, EXC_GP, 3}};

    (void)state;
    begin_protected();
    point(CODE0, 0x2000);
    GUEST_CODE(CODE, 0xff, 0x1f); /* call far [edi] */
    expect_done(GUEST_MMIO);
    expect_at(0x2000, CODE0, STACK - 8, 0);
    EXPECT_SLOTS(STACK - 8, 4, CODE + 2, CODE0);
    GUEST_CODE(0x2000, 0xcb); /* retf */
    expect_done(EMULATE_NO_GPA);
    expect_at(CODE + 2, CODE0, STACK, 0);
    to_level_3();
    point(CONFORMING | 3, 0x2000); /* whose RPL is of no interest, and whose level is not taken */
    GUEST_CODE(CODE, 0xff, 0x2f);  /* jmp far [edi] */
    expect_done(GUEST_MMIO);
    expect_at(0x2000, CONFORMING | 3, STACK, 3);
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        begin_protected();
        if (bad[i].cpl)
            to_level_3();
        point(bad[i].selector, 0x2000);
        GUEST_CODE(CODE, 0xff, 0x1f);
        expect_fault(GUEST_MMIO, bad[i].vector, bad[i].selector & 0xfffc);
        assert_int_equal(regs[REG_RSP], STACK);
    }
    begin_protected();
    point(CODE0, 0x2000);
    fake_cpu.segments[SEG_SS].limit = GUEST_MMIO; /* no room for the return address */
    GUEST_CODE(CODE, 0xff, 0x1f);
    expect_fault(GUEST_MMIO, EXC_SS, 0);
    assert_int_equal(fake_cpu.segments[SEG_CS].selector, CODE0);
}

static void a_call_gate_leads_to_its_level_and_stack(void **state)
{
    (void)state;
    begin_protected();
    to_level_3();
    guest_poke(TSS + 4, 4, STACK);
    guest_poke(TSS + 8, 2, DATA0);
    guest_poke(0x7000, 4, 0x11), guest_poke(0x7004, 4, 0x22);
    regs[REG_RSP] = 0x7000;
    GUEST_CODE(CODE, 0x9a, 0xef, 0xbe, 0xad, 0xde, GATE | 3, 0x00);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE0, STACK - 24, 0);
    assert_int_equal(fake_cpu.segments[SEG_SS].selector, DATA0);
    EXPECT_SLOTS(STACK - 24, 4, CODE + 7, CODE3, 0x11, 0x22, 0x7000, DATA3);
    fake_cpu.segments[SEG_DS].attributes &= ~0x60u; /* of level 0: the program may not keep it */
    fake_cpu.segments[SEG_DS].selector = DATA0;
    GUEST_CODE(0x2000, 0xca, 0x08, 0x00); /* retf 8 */
    expect_done(EMULATE_NO_GPA);
    expect_at(CODE + 7, CODE3, 0x7008, 3);
    assert_int_equal(fake_cpu.segments[SEG_SS].selector, DATA3);
    assert_true(fake_cpu.segments[SEG_DS].attributes & SEG_UNUSABLE);
    assert_false(fake_cpu.segments[SEG_ES].attributes & SEG_UNUSABLE);
    GUEST_CODE(CODE, 0xea, 0xef, 0xbe, 0xad, 0xde, GATE | 3, 0x00); /* a jump does not change the level */
    expect_fault(EMULATE_NO_GPA, EXC_GP, CODE0);
    GUEST_CODE(CODE, 0x9a, 0xef, 0xbe, 0xad, 0xde, GATE | 3, 0x00);
    guest_poke(TSS + 8, 2, DATA3); /* a stack of another level */
    expect_fault(EMULATE_NO_GPA, EXC_TS, DATA3 & ~3u);
    guest_poke(TSS + 8, 2, 0);
    expect_fault(EMULATE_NO_GPA, EXC_TS, 0);
    guest_poke(TSS + 8, 2, DATA0);
    fake_cpu.segments[SEG_TR].limit = 8; /* a TSS without a whole selector */
    fake_cpu.segments[SEG_TR].selector = TASK;
    expect_fault(EMULATE_NO_GPA, EXC_TS, TASK);
    begin_protected(); /* from level 0: the stack stays, and slots are the gate's */
    GUEST_CODE(CODE, 0x9a, 0xef, 0xbe, 0xad, 0xde, GATE_16, 0x00);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE0, STACK - 4, 0);
    EXPECT_SLOTS(STACK - 4, 2, CODE + 7, CODE0);
}

static void iret_changes_the_flags_that_its_level_may(void **state)
{
    (void)state;
    begin_protected();
    STACK_HAS(4, 0x2000, CODE0, 0xffffffff & ~(RFLAGS_VM | RFLAGS_TF | RFLAGS_RF));
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE0, STACK + 12, 0);
    assert_int_equal(regs[REG_RFLAGS], 0x3c7ed7);
    begin_protected();
    to_level_3();
    STACK_HAS(4, 0x2000, CODE3, 0xffffffff & ~(RFLAGS_TF | RFLAGS_RF));
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE3, STACK + 12, 3);
    assert_int_equal(regs[REG_RFLAGS], 0x244cd7); /* neither IF, IOPL, VIF nor VIP; nor VM */
    begin_protected();
    STACK_HAS(4, 0x2000, CODE3, 2, 0x7000, DATA3); /* to a program */
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE3, 0x7000, 3);
}

static void a_return_that_cannot_be_faults_and_leaves_all(void **state)
{
    static const struct {
        uint64_t slots[5];
        uint8_t vector;
        uint16_t error;
        bool from_3;
    } rows[] = {{{0x2000, 0, 2}, EXC_GP, 0, false},
                {{0x2000, DATA0, 2}, EXC_GP, DATA0, false},
                {{0x2000, CODE0, 2}, EXC_GP, CODE0, true}, /* to a higher level */
                {{0x2000, CODE0 | 3, 2}, EXC_GP, CODE0, false},
                {{0x2000, END, 2}, EXC_GP, END, false},
                {{0x2000, CODE3, 2, 0x7000, DATA0}, EXC_GP, DATA0, false},
                {{0x2000, CODE3, 2, 0x7000, 0}, EXC_GP, 0, false}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        begin_protected();
        if (rows[i].from_3)
            to_level_3();
        stack_has(4, rows[i].slots, 5);
        GUEST_CODE(CODE, 0xcf);
        expect_fault(EMULATE_NO_GPA, rows[i].vector, rows[i].error);
        expect_at(CODE, rows[i].from_3 ? CODE3 : CODE0, STACK, rows[i].from_3 ? 3 : 0);
        assert_int_equal(regs[REG_RFLAGS] & ~RFLAGS_RF, RFLAGS_1);
    }
    begin_protected();
    fake_cpu.segments[SEG_SS].limit = STACK + 7; /* the flags are outside */
    STACK_HAS(4, 0x2000, CODE0);
    GUEST_CODE(CODE, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_SS, 0);
}

static void iret_enters_and_stays_in_virtual_8086_mode(void **state)
{
    (void)state;
    begin_protected();
    STACK_HAS(4, 0x300, 0x200, RFLAGS_VM | RFLAGS_IF | 0x3002, 0x800, 0x500, 0x11, 0x22, 0x33, 0x44);
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x300, 0x200, 0x800, 3);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_VM | RFLAGS_IF | 0x3002);
    assert_int_equal(fake_cpu.segments[SEG_SS].base, 0x5000);
    assert_int_equal(fake_cpu.segments[SEG_ES].base, 0x110);
    assert_int_equal(fake_cpu.segments[SEG_DS].base, 0x220);
    assert_int_equal(fake_cpu.segments[SEG_FS].base, 0x330);
    assert_int_equal(fake_cpu.segments[SEG_GS].base, 0x440);
    guest_poke(0x5800, 2, 0x400), guest_poke(0x5802, 2, 0x100), guest_poke(0x5804, 2, 0x0002);
    GUEST_CODE(0x2300, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x400, 0x100, 0x806, 3);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_VM | 0x3002); /* IOPL stays */
    regs[REG_RFLAGS] &= ~UINT64_C(0x3000);
    GUEST_CODE(0x1400, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    begin_protected();
    STACK_HAS(4, 0x10000, 0x200, RFLAGS_VM | 2); /* beyond the segment */
    GUEST_CODE(CODE, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(fake_cpu.segments[SEG_SS].selector, DATA0);
}

/* PUSHF, POPF and IRET of a program below IOPL 3: its IF is VIF, with CR4.VME and 16-bit operands. */
static void a_virtual_8086_program_has_an_interrupt_flag_of_its_own(void **state)
{
    static const uint8_t codes[] = {0x9c, 0x9d, 0xcf};

    (void)state;
    guest_begin(16);
    regs[REG_CR0] |= CR0_PE;
    regs[REG_RFLAGS] = RFLAGS_VM | RFLAGS_IF | 2;
    guest_set_cpl(3);
    regs[REG_RSP] = 0x7000;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        GUEST_CODE(CODE, codes[i]);
        expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
        assert_int_equal(regs[REG_RSP], 0x7000);
    }
    regs[REG_CR4] = CR4_VME;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        GUEST_CODE(CODE, 0x66, codes[i]);
        expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    }
    GUEST_CODE(CODE, 0x9c);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest_peek(0x6ffe, 2), 0x3002); /* VIF is off; IOPL reads as 3 */
    guest_poke(0x6ffe, 2, RFLAGS_IF | 0x3003);
    GUEST_CODE(CODE, 0x9d);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_VM | RFLAGS_IF | BIT(19) | 3); /* VIF is on, IOPL what it was */
    guest_poke(0x7000, 2, CODE), guest_poke(0x7002, 2, 0), guest_poke(0x7004, 2, 2);
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_VM | RFLAGS_IF | 2);
    regs[REG_RFLAGS] |= BIT(20); /* VIP: an interrupt waits for the IF that comes */
    regs[REG_RSP] = 0x7000;
    guest_poke(0x7004, 2, RFLAGS_IF);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    guest_poke(0x7004, 2, RFLAGS_TF);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

/* The new task's TSS is at 0x4000. */
static void other_tasks_are_entered_and_returned_from(void **state)
{
    (void)state;
    for (unsigned gate = 0; gate < 2; gate++) {
        begin_protected();
        fake_cpu.segments[SEG_TR].selector = BUSY; /* this task's own */
        guest_poke(0x4000 + 32, 4, 0x2000), guest_poke(0x4000 + 36, 4, 2), guest_poke(0x4000 + 56, 4, 0x6000);
        for (unsigned i = 0; i < 6; i++)
            guest_poke(0x4000 + 72 + 4 * i, 4, i == SEG_CS ? CODE0 : DATA0);
        point(gate ? TASK_GATE : TASK, 0);
        GUEST_CODE(CODE, 0xff, 0x1f);
        expect_done(GUEST_MMIO);
        expect_at(0x2000, CODE0, 0x6000, 0);
        assert_int_equal(fake_cpu.segments[SEG_TR].selector, TASK);
        assert_true(regs[REG_RFLAGS] & RFLAGS_NT);
        assert_int_equal(guest_peek(TSS + 32, 4), CODE + 2);
        assert_int_equal(guest_peek(0x4000, 2), BUSY); /* the way back */
    }
    begin_protected();
    regs[REG_RFLAGS] |= RFLAGS_NT;
    guest_poke(TSS, 2, TASK); /* which is not busy: no task to return to */
    GUEST_CODE(CODE, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_TS, TASK);
}

static void begin_long(void)
{
    static const uint64_t gdt[] = {0,
                                   0x00af9b000000ffff,
                                   0x00cf93000000ffff,
                                   0x00affb000000ffff,
                                   0x00cff3000000ffff,
                                   0x0000ec0000082000, /* a gate to 0xffff800000002000 */
                                   0x00000000ffff8000,
                                   0x00cffb000000ffff}; /* compatibility mode's */

    guest_begin(64);
    make_gdt(gdt, ARRAY_LENGTH(gdt));
    fake_cpu.segments[SEG_TR] = (struct segment){.base = TSS, .limit = 0x67, .attributes = 0x8b};
    fake_cpu.segments[SEG_CS].selector = CODE0;
    fake_cpu.segments[SEG_SS].selector = DATA0;
    regs[REG_RSP] = STACK;
    gpr()[REG_RDI] = GUEST_MMIO;
}

static void in_64_bit_code_iret_pops_a_stack_always(void **state)
{
    (void)state;
    begin_long();
    STACK_HAS(8, 0x2000, CODE0, 2, 0x7000, 0); /* no SS: at level 0 none is needed */
    GUEST_CODE(CODE, 0x48, 0xcf);              /* iretq */
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE0, 0x7000, 0);
    assert_true(fake_cpu.segments[SEG_SS].attributes & SEG_UNUSABLE);
    begin_long();
    STACK_HAS(8, 0x2000, CODE3, RFLAGS_IF | 2, 0x7000, DATA3);
    GUEST_CODE(CODE, 0x48, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE3, 0x7000, 3);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_IF | 2);
    begin_long();
    STACK_HAS(8, 0x2000, CODE3, 2, 0x7000, 3); /* at level 3 one is */
    GUEST_CODE(CODE, 0x48, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    STACK_HAS(8, BIT(60), CODE3, 2, 0x7000, DATA3);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(fake_cpu.segments[SEG_SS].selector, DATA0);
    STACK_HAS(8, 0x2000, 0x3b, 2, UINT64_C(0x1122334455667788), DATA3); /* to compatibility mode */
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, 0x3b, 0x55667788, 3);
    begin_long();
    regs[REG_RFLAGS] |= RFLAGS_NT;
    GUEST_CODE(CODE, 0x48, 0xcf);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    begin_long();
    STACK_HAS(4, 0x2000, CODE0, RFLAGS_VM | 2, 0x7000, DATA0); /* of 32 bits; VM is of no interest */
    GUEST_CODE(CODE, 0xcf);
    expect_done(EMULATE_NO_GPA);
    expect_at(0x2000, CODE0, 0x7000, 0);
    assert_int_equal(regs[REG_RFLAGS], 2);
}

static void in_long_mode_a_gate_has_16_bytes(void **state)
{
    (void)state;
    begin_long();
    to_level_3();
    memcpy(guest.mmio + 4, "\x2b\x00", 2);
    regs[REG_RSP] = 0x7000;
    guest_poke(TSS + 4, 8, STACK);
    GUEST_CODE(CODE, 0xff, 0x1f); /* call far [rdi] */
    expect_done(GUEST_MMIO);
    expect_at(0xffff800000002000, CODE0, STACK - 32, 0);
    EXPECT_SLOTS(STACK - 32, 8, CODE + 2, CODE3, 0x7000, DATA3);
    assert_int_equal(fake_cpu.segments[SEG_SS].selector, 0);
    assert_true(fake_cpu.segments[SEG_SS].attributes & SEG_UNUSABLE);
    GUEST_CODE(0x2000, 0x48, 0xcb); /* retfq: to where it came from */
    expect_done(EMULATE_NO_GPA);
    expect_at(CODE + 2, CODE3, 0x7000, 3);
    regs[REG_RIP] = CODE;
    guest_poke(TSS + 4, 8, BIT(50)); /* no address */
    expect_fault(GUEST_MMIO, EXC_SS, 0);
    guest_poke(0x3000 + 0x30 + 4, 4, 0x100); /* another type in the upper half */
    expect_fault(GUEST_MMIO, EXC_GP, GATE);
    fake_cpu.segments[SEG_GDTR].limit = 0x2f; /* no upper half */
    expect_fault(GUEST_MMIO, EXC_GP, GATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_real_mode_selectors_are_bases),
        cmocka_unit_test(calls_and_jumps_keep_the_level),
        cmocka_unit_test(a_call_gate_leads_to_its_level_and_stack),
        cmocka_unit_test(iret_changes_the_flags_that_its_level_may),
        cmocka_unit_test(a_return_that_cannot_be_faults_and_leaves_all),
        cmocka_unit_test(iret_enters_and_stays_in_virtual_8086_mode),
        cmocka_unit_test(a_virtual_8086_program_has_an_interrupt_flag_of_its_own),
        cmocka_unit_test(other_tasks_are_entered_and_returned_from),
        cmocka_unit_test(in_64_bit_code_iret_pops_a_stack_always),
        cmocka_unit_test(in_long_mode_a_gate_has_16_bytes),
    };
    return cmocka_run_group_tests_name("emulate_far", tests, NULL, guest_end);
}
