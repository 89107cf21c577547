/* Hardware task switches: what moves where, and which task a fault belongs to. */
#include "hv/cpu/registers.h"
#include "tests/unit/guest.h"

#include <string.h>

#include "hv/emulate/task_switch.h"

#define GDT     0x8000
#define OLD_TSS 0x9000
#define NEW_TSS 0xa000
#define NEW_LDT 0xb000

/* Selectors. */
enum {
    CODE = 0x08,
    DATA = 0x10,
    OLD = 0x18,
    NEW = 0x20,
    LDT = 0x28,
    CODE_3 = 0x33,
    DATA_3 = 0x3b,
    ABSENT = 0x40,
    NEW_16 = 0x48,
};

/* Offsets in a 32-bit TSS. */
enum {
    LINK = 0,
    CR3 = 28,
    EIP = 32,
    EFLAGS = 36,
    EAX = 40,
    ESP = 56,
    EDI = 68,
    ES = 72,
    CS = 76,
    SS = 80,
    DS = 84,
    FS = 88,
    GS = 92,
    LDTR = 96,
    TRAP = 100
};

static uint64_t *const regs = fake_cpu.regs;

static uint64_t descriptor(uint32_t base, uint32_t limit, uint16_t attributes)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(attributes >> 12) << 52 |
           (uint64_t)(base >> 24) << 56;
}

static void set_descriptor(uint16_t selector, uint64_t value)
{
    guest_poke(GDT + (selector & 0xfff8), 8, value);
}

static unsigned type_of(uint16_t selector)
{
    return guest.ram[GDT + (selector & 0xfff8) + 5] & 0xf;
}

static uint32_t old_tss(unsigned offset)
{
    return guest_peek(OLD_TSS + offset, 4);
}

static void set_new(unsigned offset, uint32_t value)
{
    guest_poke(NEW_TSS + offset, 4, value);
}

/* An old task at CPL 0 in flat 32-bit segments, and a new one of the same kind, ready to run. */
static int setup(void **state)
{
    (void)state;
    guest_begin(32);
    fake_cpu.segments[SEG_GDTR] = (struct segment){.base = GDT, .limit = 0x4f};
    fake_cpu.segments[SEG_LDTR].attributes = SEG_UNUSABLE;
    fake_cpu.segments[SEG_TR] =
        (struct segment){.selector = OLD, .base = OLD_TSS, .limit = 103, .attributes = 0x8b};
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        fake_cpu.segments[i].selector = i == SEG_CS ? CODE : DATA;
    set_descriptor(CODE, descriptor(0, 0xfffff, 0xc09a));
    set_descriptor(DATA, descriptor(0, 0xfffff, 0xc092));
    set_descriptor(OLD, descriptor(OLD_TSS, 103, 0x8b));
    set_descriptor(NEW, descriptor(NEW_TSS, 103, 0x89));
    set_descriptor(LDT, descriptor(NEW_LDT, 0xff, 0x82));
    set_descriptor(CODE_3, descriptor(0, 0xfffff, 0xc0fa));
    set_descriptor(DATA_3, descriptor(0, 0xfffff, 0xc0f2));
    set_descriptor(ABSENT, descriptor(0, 0xfffff, 0xc012));
    set_descriptor(NEW_16, descriptor(NEW_TSS, 43, 0x81));
    regs[REG_RIP] = 0x1000;
    regs[REG_RFLAGS] = RFLAGS_1 | RFLAGS_CF;
    regs[REG_RSP] = 0x6000;
    regs[REG_DR7] = 0x7ff;
    for (unsigned i = 0; i < 8; i++) {
        guest.vcpu.arch.gpr[i] = 0x100 + i;
        set_new(EAX + 4 * i, 0x200 + i);
    }
    set_new(EIP, 0x2000);
    set_new(EFLAGS, RFLAGS_1 | RFLAGS_ZF);
    set_new(ESP, 0x7000);
    for (unsigned at = ES; at <= GS; at += 4)
        set_new(at, at == CS ? CODE : DATA);
    set_new(LDTR, LDT);
    return 0;
}

static struct task_switch by(enum task_switch_source source)
{
    return (struct task_switch){
        .selector = NEW, .source = source, .length = source == TASK_SWITCH_GATE ? 0 : 7};
}

static void expect_fault(const struct task_switch *request, unsigned vector, uint32_t error)
{
    guest.raised = false;
    assert_false(task_switch(&guest.vcpu, request));
    assert_true(guest.raised);
    assert_int_equal(guest.fault.vector, vector);
    assert_int_equal(guest.fault.error, error);
}

/* A fault of the old task: nothing has changed. */
static void expect_refusal(struct task_switch request, unsigned vector, uint32_t error)
{
    uint8_t before[0x4000];
    struct fake_cpu cpu = fake_cpu;

    memcpy(before, guest.ram + GDT, sizeof(before));
    expect_fault(&request, vector, error);
    assert_memory_equal(before, guest.ram + GDT, sizeof(before));
    assert_memory_equal(&cpu, &fake_cpu, sizeof(cpu));
}

/* A fault of the new task: it is in place. */
static void expect_late_fault(unsigned vector, uint32_t error)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    expect_fault(&request, vector, error);
    assert_int_equal(regs[REG_RIP], 0x2000);
    assert_int_equal(fake_cpu.segments[SEG_TR].selector, NEW);
}

static void a_jump_saves_the_old_task_and_loads_the_new(void **state)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    (void)state;
    assert_true(task_switch(&guest.vcpu, &request));
    assert_false(guest.raised);
    assert_int_equal(old_tss(EIP), 0x1007);
    assert_int_equal(old_tss(EFLAGS), RFLAGS_1 | RFLAGS_CF);
    assert_int_equal(old_tss(EAX), 0x100);
    assert_int_equal(old_tss(ESP), 0x6000);
    assert_int_equal(old_tss(EDI), 0x107);
    assert_int_equal(old_tss(CS), CODE);
    assert_int_equal(old_tss(GS), DATA);
    assert_int_equal(regs[REG_RIP], 0x2000);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_1 | RFLAGS_ZF);
    assert_int_equal(regs[REG_RSP], 0x7000);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RAX], 0x200);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RDI], 0x207);
    assert_int_equal(fake_cpu.segments[SEG_TR].selector, NEW);
    assert_int_equal(fake_cpu.segments[SEG_TR].base, NEW_TSS);
    assert_int_equal(fake_cpu.segments[SEG_TR].attributes, 0x8b);
    assert_int_equal(fake_cpu.segments[SEG_LDTR].base, NEW_LDT);
    assert_int_equal(fake_cpu.segments[SEG_CS].limit, 0xffffffff);
    assert_int_equal(type_of(OLD), 9);
    assert_int_equal(type_of(NEW), 0xb);
    assert_true(regs[REG_CR0] & CR0_TS);
    assert_int_equal(regs[REG_DR7], 0x6aa);
}

static void a_call_nests_the_new_task(void **state)
{
    struct task_switch request = by(TASK_SWITCH_CALL);

    (void)state;
    set_new(LINK, 0xffff0000);
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(guest_peek(NEW_TSS + LINK, 4), 0xffff0000 | OLD);
    assert_true(regs[REG_RFLAGS] & RFLAGS_NT);
    assert_int_equal(type_of(OLD), 0xb);
    assert_int_equal(type_of(NEW), 0xb);
}

static void a_return_ends_the_nested_task(void **state)
{
    struct task_switch request = by(TASK_SWITCH_IRET);

    (void)state;
    set_descriptor(NEW, descriptor(NEW_TSS, 103, 0x8b));
    regs[REG_RFLAGS] |= RFLAGS_NT;
    assert_true(task_switch(&guest.vcpu, &request));
    assert_false(old_tss(EFLAGS) & RFLAGS_NT);
    assert_false(regs[REG_RFLAGS] & RFLAGS_NT);
    assert_int_equal(type_of(OLD), 9);
    assert_int_equal(type_of(NEW), 0xb);
}

static void an_exception_through_a_gate_brings_its_error_code(void **state)
{
    struct task_switch request = by(TASK_SWITCH_GATE);

    (void)state;
    request.has_error = true, request.error = 0x12345678;
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(old_tss(EIP), 0x1000); /* the faulting instruction */
    assert_int_equal(regs[REG_RSP], 0x6ffc);
    assert_int_equal(guest_peek(0x6ffc, 4), 0x12345678);
    assert_true(regs[REG_RFLAGS] & RFLAGS_NT);
}

static void a_16_bit_task_has_the_lower_halves(void **state)
{
    struct task_switch request = {
        .selector = NEW_16, .source = TASK_SWITCH_CALL, .length = 2, .has_error = true, .error = 0xabcd};
    static const uint16_t tss[22] = {0, 0, 0,      0, 0, 0, 0,    0x3000, 0x0002, 1,    2,
                                     3, 4, 0x7000, 6, 7, 8, DATA, CODE,   DATA,   DATA, 0};

    (void)state;
    memcpy(guest.ram + NEW_TSS, tss, sizeof(tss));
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(guest_peek(NEW_TSS, 2), OLD);
    assert_int_equal(regs[REG_RIP], 0x3000);
    assert_int_equal(regs[REG_RFLAGS], RFLAGS_1 | RFLAGS_NT);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RAX], 1);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RDI], 8);
    assert_int_equal(regs[REG_RSP], 0x6ffe);
    assert_int_equal(guest_peek(0x6ffe, 2), 0xabcd);
    assert_true(fake_cpu.segments[SEG_FS].attributes & SEG_UNUSABLE);
    assert_true(fake_cpu.segments[SEG_LDTR].attributes & SEG_UNUSABLE);
    regs[REG_RIP] = 0x3456; /* and back, into a 32-bit task */
    request = by(TASK_SWITCH_IRET);
    request.selector = OLD;
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(guest_peek(NEW_TSS + 14, 2), 0x345d);
    assert_int_equal(guest_peek(NEW_TSS, 2), OLD); /* the link is not saved over */
    assert_int_equal(regs[REG_RIP], 0x1002);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RAX], 0x100);
}

static void a_task_may_be_virtual_8086(void **state)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    (void)state;
    set_new(EFLAGS, RFLAGS_1 | RFLAGS_VM);
    set_new(CS, 0x1234);
    set_new(SS, 0x2345);
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(fake_cpu.segments[SEG_CS].base, 0x12340);
    assert_int_equal(fake_cpu.segments[SEG_SS].attributes, 0xf3);
    assert_int_equal(vcpu_cpl(&guest.vcpu), 3);
}

static void a_task_may_run_at_level_3(void **state)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    (void)state;
    for (unsigned at = ES; at <= GS; at += 4)
        set_new(at, at == CS ? CODE_3 : DATA_3);
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(vcpu_cpl(&guest.vcpu), 3);
    assert_int_equal(guest.ram[GDT + (CODE_3 & ~7) + 5], 0xfb); /* accessed */
}

static void paging_changes_with_the_task(void **state)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    (void)state;
    guest_poke(0x10000, 4, 0x11003);
    guest_poke(0x12000, 4, 0x11003);
    for (unsigned i = 0; i < 16; i++)
        guest_poke(0x11000 + 4 * i, 4, i << 12 | 3);
    regs[REG_CR0] |= CR0_PG;
    regs[REG_CR3] = 0x10000;
    set_new(CR3, 0x12000);
    assert_true(task_switch(&guest.vcpu, &request));
    assert_int_equal(regs[REG_CR3], 0x12000);
    request.selector = OLD;
    guest_poke(0x11000 + 4 * 9, 4, 0); /* the old task's TSS is gone: the fault is the present task's */
    expect_refusal(request, EXC_PF, 0);
    assert_int_equal(guest.fault.address, OLD_TSS);
}

static void the_t_flag_traps_in_the_new_task(void **state)
{
    struct task_switch request = by(TASK_SWITCH_JMP);

    (void)state;
    set_new(TRAP, 1);
    assert_true(task_switch(&guest.vcpu, &request));
    assert_true(guest.raised);
    assert_int_equal(guest.fault.vector, EXC_DB);
    assert_int_equal(guest.fault.address, BIT(15));
}

static void a_bad_tss_selector_is_the_old_tasks_fault(void **state)
{
    struct task_switch request = by(TASK_SWITCH_CALL), back = by(TASK_SWITCH_IRET);

    (void)state;
    request.selector = 0;
    expect_refusal(request, EXC_GP, 0);
    request.selector = NEW | 4; /* in the LDT */
    expect_refusal(request, EXC_GP, NEW | 4);
    request.selector = 0x50; /* beyond the GDT */
    expect_refusal(request, EXC_GP, 0x50);
    request.external = true;
    expect_refusal(request, EXC_GP, 0x51);
    request.external = false;
    request.selector = DATA;
    expect_refusal(request, EXC_GP, DATA);
    request.selector = OLD; /* busy */
    expect_refusal(request, EXC_GP, OLD);
    back.selector = NEW; /* not busy */
    expect_refusal(back, EXC_TS, NEW);
    back.selector = 0x50;
    expect_refusal(back, EXC_TS, 0x50);
    set_descriptor(NEW, descriptor(NEW_TSS, 103, 0x09));
    expect_refusal(by(TASK_SWITCH_CALL), EXC_NP, NEW);
    set_descriptor(NEW, descriptor(NEW_TSS, 102, 0x89));
    expect_refusal(by(TASK_SWITCH_CALL), EXC_TS, NEW);
    set_descriptor(NEW_16, descriptor(NEW_TSS, 42, 0x81));
    request.selector = NEW_16;
    expect_refusal(request, EXC_TS, NEW_16);
}

static void a_bad_segment_is_the_new_tasks_fault(void **state)
{
    static const struct {
        unsigned at;
        uint16_t selector;
        unsigned vector;
        uint32_t error;
    } cases[] = {
        {LDTR, DATA, EXC_TS, DATA},   {LDTR, LDT | 4, EXC_TS, LDT | 4},
        {LDTR, 0x58, EXC_TS, 0x58},   {CS, DATA, EXC_TS, DATA},
        {CS, 0, EXC_TS, 0},           {CS, CODE_3 & ~3, EXC_TS, CODE_3 & ~3},
        {SS, 0, EXC_TS, 0},           {SS, DATA_3, EXC_TS, DATA_3 & ~3},
        {SS, CODE, EXC_TS, CODE},     {SS, ABSENT, EXC_SS, ABSENT},
        {DS, ABSENT, EXC_NP, ABSENT}, {ES, LDT, EXC_TS, LDT},
        {GS, DATA | 3, EXC_TS, DATA}, {FS, 0x58, EXC_TS, 0x58},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        setup(NULL);
        set_new(cases[i].at, cases[i].selector);
        expect_late_fault(cases[i].vector, cases[i].error);
    }
}

static void an_error_code_that_does_not_fit_is_the_new_tasks_fault(void **state)
{
    struct task_switch request = by(TASK_SWITCH_GATE);

    (void)state;
    set_descriptor(DATA, descriptor(0, 0x3fff, 0x4092));
    request.has_error = true;
    expect_fault(&request, EXC_SS, 0);
    assert_int_equal(regs[REG_RIP], 0x2000);
    assert_int_equal(regs[REG_RSP], 0x7000);
}

/* SDM, "PDPTE Registers": reserved bits in an entry that is present refuse the table. */
static void a_bad_table_of_pae_paging_is_a_general_protection_fault(void **state)
{
    static const struct {
        uint64_t entry;
        bool bad;
    } cases[] = {{0x12001, false},          {0x12003, true},     {0x12005, true},     {0x12021, true},
                 {0x12041, true},           {0x12101, true},     {0x12e19, false},    {0x121e6, false},
                 {BIT(63) | 0x12001, true}, {BIT(40) | 1, true}, {BIT(39) | 1, false}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct task_switch request = by(TASK_SWITCH_JMP);

        setup(NULL);
        guest_poke(0x20000, 8, 0x21001); /* PAE: one table of 2 MiB pages */
        guest_poke(0x21000, 8, 0xe7);
        guest_poke(0x20020, 8, 0x21001);
        guest_poke(0x20020 + 8 * (1 + i % 3), 8, cases[i].entry);
        regs[REG_CR3] = 0x20000;
        regs[REG_CR4] = CR4_PAE;
        regs[REG_CR0] |= CR0_PG;
        set_new(CR3, 0x20020);
        if (!cases[i].bad) {
            assert_true(task_switch(&guest.vcpu, &request));
            assert_int_equal(regs[REG_CR3], 0x20020);
            continue;
        }
        expect_fault(&request, EXC_GP, 0);
        assert_int_equal(regs[REG_CR3], 0x20000);
        assert_int_equal(regs[REG_RIP], 0x2000); /* the new task's */
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(a_jump_saves_the_old_task_and_loads_the_new),
        TEST(a_call_nests_the_new_task),
        TEST(a_return_ends_the_nested_task),
        TEST(an_exception_through_a_gate_brings_its_error_code),
        TEST(a_16_bit_task_has_the_lower_halves),
        TEST(a_task_may_be_virtual_8086),
        TEST(a_task_may_run_at_level_3),
        TEST(paging_changes_with_the_task),
        TEST(a_bad_table_of_pae_paging_is_a_general_protection_fault),
        TEST(the_t_flag_traps_in_the_new_task),
        TEST(a_bad_tss_selector_is_the_old_tasks_fault),
        TEST(a_bad_segment_is_the_new_tasks_fault),
        TEST(an_error_code_that_does_not_fit_is_the_new_tasks_fault),
    };
    return cmocka_run_group_tests_name("task_switch", tests, NULL, NULL);
}
