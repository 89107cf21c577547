/* What is printed of a vCPU whose VM crashed, whatever the guest left behind. */
#include "tests/unit/guest.h"

#include <stdio.h>
#include <string.h>

#include "ept/table.h"
#include "hv/cpu/native.h"
#include "hv/crash/crash.h"
#include "hv/event/guest_debug.h"
#include "hv/host/cpu.h"
#include "hv/host/log_ring.h"
#include "hv/show/state.h"
#include "hv/show/walk_print.h"
#include "hv/walk/walk.h"
#include "tests/unit/privileged.h"

#define GVA    UINT64_C(0xffff808040603123)
#define TABLES 0x10000 /* four of them, the root first */
#define PAGE   0x45000 /* where GVA's page is */

static char shown[32768];
static struct text_buffer text;
static struct virt_ops ops;
static struct cpu core = {.self = &core};

static const char *exit_name(uint32_t reason)
{
    return reason == 12 ? "HLT" : reason == 30 ? "I/O" : "other";
}

static void dump(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    print_to(out, "control structure\n");
}

static uint64_t entry_at(unsigned level)
{
    return TABLES + 0x1000 * (4 - level) + (GVA >> (12 + 9 * (level - 1)) & 511) * 8;
}

/* 64-bit code with GVA mapped, and a stack and code in its page. */
static int setup(void **state)
{
    (void)state;
    guest_begin(64);
    ops = fake_virt;
    ops.show.exit_name = exit_name;
    ops.show.dump = dump;
    virt = &ops;
    privileged_set_core(&core);
    core.current = &guest.vcpu;
    strcpy(guest.vm.name, "one");
    strcpy(guest.vm.reason, "triple fault at rip 0x10");
    fake_cpu.regs[REG_CR0] |= CR0_PG;
    fake_cpu.regs[REG_CR4] = CR4_PAE;
    fake_cpu.regs[REG_CR3] = TABLES;
    for (unsigned level = 4; level > 1; level--)
        guest_poke(entry_at(level), 8, (TABLES + 0x1000 * (4 - level + 1)) | 7);
    guest_poke(entry_at(1), 8, PAGE | 3);
    fake_cpu.regs[REG_RIP] = GVA;
    text_buffer_init(&text, shown, sizeof(shown));
    for (unsigned i = 0; i < 4; i++)
        fake_cpu.dr[i] = 0xd0 + i;
    return 0;
}

static void report(void)
{
    text_buffer_init(&text, shown, sizeof(shown));
    fake_report = &text.writer;
    crash_report(&guest.vcpu);
}

static void expect(const char *part)
{
    if (!strstr(shown, part))
        fail_msg("not there: %s\nin:\n%s", part, shown);
}

static char end[80];

void vm_crash(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    (void)vm;
    va_start(arguments, format);
    vsnprintf(end, sizeof(end), format, arguments);
    va_end(arguments);
}

static void explain(struct vcpu *vcpu, struct writer *out)
{
    assert_ptr_equal(vcpu, &guest.vcpu);
    print_to(out, "because of a field\n");
}

static void an_entry_that_failed_is_explained_and_ends_the_vm(void **state)
{
    (void)state;
    fake_report = &text.writer;
    crash_entry_failed(&guest.vcpu, explain, "VM entry failed, error %u: %s", 7, "invalid");
    expect("VM entry failed, error 7: invalid\nbecause of a field\n");
    assert_string_equal(end, "VM entry failed, error 7: invalid");
}

static void every_register_is_named(void **state)
{
    (void)state;
    fake_cpu.regs[REG_RSP] = 0x44;
    fake_cpu.regs[REG_EFER] |= EFER_NXE;
    fake_cpu.regs[REG_DR7] = 0x400;
    guest.vcpu.arch.gpr[REG_R15] = 0xffffffff80000000;
    guest.vcpu.arch.xcr0 = 7;
    fake_cpu.segments[SEG_IDTR] = (struct segment){.base = 0x1234, .limit = 0xfff};
    fake_cpu.segments[SEG_GS].selector = 0x2b;
    report();
    assert_ptr_equal(strstr(shown, "vm one: cannot go on:\nvcpu 0, 64-bit mode: triple fault at rip 0x10\n"),
                     shown);
    expect("rsp  0000000000000044  rbp");
    expect("r15  ffffffff80000000\n");
    expect("efer 0000000000000d00");
    expect("dr7  0000000000000400  xcr0 0000000000000007  dr0  00000000000000d0");
    expect("idtr 0000 base 0000000000001234 limit 00000fff");
    expect("gs   002b");
    expect("control structure\n");
}

static void debug_registers_come_from_where_they_are_kept(void **state)
{
    struct cpu_state registers;

    (void)state;
    core.current = NULL;
    guest.vcpu.arch.native.dr[3] = 0x33;
    state_of_vcpu(&guest.vcpu, &registers);
    assert_int_equal(registers.values[STATE_DR0 + 3], 0x33);
    guest.vcpu.arch.debug =
        (struct vcpu_debug){.intercepts = DEBUG_REGISTERS, .dr = {1, 2, 3, 4}, .dr7 = 0x455};
    state_of_vcpu(&guest.vcpu, &registers);
    assert_int_equal(registers.values[STATE_DR0 + 3], 4);
    assert_int_equal(registers.values[REG_DR7], 0x455);
}

static void only_the_first_vcpu_shows_the_control_structure(void **state)
{
    (void)state;
    report();
    report();
    assert_null(strstr(shown, "control structure"));
    assert_null(strstr(shown, "cannot go on"));
    expect("vcpu 0, 64-bit mode:");
}

static void code_stands_around_rip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++)
        guest_poke(PAGE + i, 1, i);
    fake_cpu.regs[REG_RIP] = (GVA & ~PAGE_MASK) + 0x20;
    report();
    expect("code: 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f <20> 21");
    fake_cpu.regs[REG_RIP] = (GVA & ~PAGE_MASK) + 2; /* the page before is not mapped */
    report();
    expect("code: 00 01 <02> 03");
    fake_cpu.regs[REG_RIP] = 0x1000;
    report();
    expect("code:\n");
}

static void code_of_a_segment_counts_from_its_base(void **state)
{
    (void)state;
    guest_begin(16);
    fake_cpu.segments[SEG_CS].base = 0xfffffff0;
    fake_cpu.regs[REG_RIP] = 0x30; /* wraps */
    guest_poke(0x20, 1, 0xab);
    report();
    expect("<ab>");
}

static void the_chain_of_frames_is_followed(void **state)
{
    uint64_t base = GVA & ~PAGE_MASK;

    (void)state;
    guest.vcpu.arch.gpr[REG_RBP] = base + 0x100;
    guest_poke(PAGE + 0x100, 8, base + 0x200);
    guest_poke(PAGE + 0x108, 8, 0xaaaa);
    guest_poke(PAGE + 0x200, 8, 0);
    guest_poke(PAGE + 0x208, 8, 0xbbbb);
    report();
    expect("backtrace by rbp:\nffff808040603123; aaaa; bbbb\n");
}

static void a_chain_that_loops_or_has_no_end_stops(void **state)
{
    uint64_t base = GVA & ~PAGE_MASK;
    unsigned words = 0;

    (void)state;
    guest.vcpu.arch.gpr[REG_RBP] = base + 0x100;
    guest_poke(PAGE + 0x100, 8, base + 0x100);
    guest_poke(PAGE + 0x108, 8, 0xaaaa);
    report();
    expect("backtrace by rbp:\nffff808040603123; aaaa\n");
    for (unsigned i = 0; i < 200; i++) {
        guest_poke(PAGE + 16 * i, 8, base + 16 * (i + 1));
        guest_poke(PAGE + 16 * i + 8, 8, 0xcccc);
    }
    guest.vcpu.arch.gpr[REG_RBP] = base;
    report();
    for (const char *at = shown; (at = strstr(at, "cccc")); at++)
        words++;
    assert_in_range(words, 8, 64);
    guest.vcpu.arch.gpr[REG_RBP] = 0x8000000000000000; /* not canonical */
    report();
    expect("backtrace by rbp:\nffff808040603123\n");
}

static void walk(gva_t gva)
{
    text_buffer_init(&text, shown, sizeof(shown));
    walk_describe(&guest.vcpu, gva, &text.writer);
}

static void a_walk_shows_each_entry(void **state)
{
    (void)state;
    walk(GVA);
    expect("  PML4E at 000010808: 0000000000011007 PWU------\n");
    expect("  PDPTE at 000011008: 0000000000012007 PWU------\n");
    expect("  PDE   at 000012018: 0000000000013007 PWU------\n");
    expect("  PTE   at 000013018: 0000000000045003 PW-------\n  guest-physical 45123\n");
    assert_int_equal(guest_peek(entry_at(1), 8), PAGE | 3); /* looking marks nothing */
}

static void a_walk_stops_where_nothing_is_mapped(void **state)
{
    (void)state;
    guest_poke(entry_at(2), 8, 0xdeadb000);
    walk(GVA);
    expect("  PDE   at 000012018: 00000000deadb000 ---------\n  a read now is a page fault, error 0x0\n");
    assert_null(strstr(shown, "PTE   "));
}

static void a_walk_through_a_table_that_is_not_ram_stops(void **state)
{
    (void)state;
    guest_poke(entry_at(3), 8, UINT64_C(0xffffffffff000) | 7);
    walk(GVA);
    expect("  level 2 at ffffffffff018: there is no RAM\n");
    fake_cpu.regs[REG_CR3] = UINT64_MAX;
    walk(GVA);
    expect("  level 4 at ffffffffff808: there is no RAM\n");
}

static void a_walk_ends_at_a_large_page(void **state)
{
    (void)state;
    guest_poke(entry_at(2), 8, 0x83 | BIT(63));
    fake_cpu.regs[REG_EFER] |= EFER_NXE;
    walk(GVA);
    expect("  PDE   at 000012018: 8000000000000083 PW-----S-N\n  guest-physical 3123\n");
}

static void walks_of_narrow_modes_have_fewer_levels(void **state)
{
    (void)state;
    fake_cpu.regs[REG_EFER] = 0;
    guest_poke(0x10000 + 8, 8, 0x20001);
    guest_poke(0x20000 + 3 * 8, 8, 0x21007);
    guest_poke(0x21000 + 3 * 8, 8, 0x45007);
    walk(0xffffffff40603123); /* the upper half is nothing here */
    expect("  PDPTE at 000010008: 0000000000020001 P--------\n");
    expect("  PTE   at 000021018: 0000000000045007 PWU------\n  guest-physical 45123\n");
    fake_cpu.regs[REG_CR4] = 0;
    guest_poke(0x10000 + 0x101 * 4, 4, 0x22007);
    guest_poke(0x22000 + 3 * 4, 4, 0x45087); /* bit 7 is PAT here */
    walk(0x40403123);
    expect("  PDE   at 000010404: 0000000000022007 PWU------\n");
    expect("  PTE   at 00002200c: 0000000000045087 PWU----S-\n  guest-physical 45123\n");
    fake_cpu.regs[REG_CR0] &= ~CR0_PG;
    walk(0x1234);
    assert_string_equal(shown, "  paging is off\n  guest-physical 1234\n");
}

static uint64_t nested_pages[16][512] __attribute__((aligned(4096)));
static unsigned nested_used;

static bool take(void *context, uint64_t *physical)
{
    (void)context;
    *physical = 0x700000 + 0x1000 * nested_used++;
    return nested_used <= 16;
}

static uint64_t *see(void *context, uint64_t physical)
{
    (void)context;
    return nested_pages[(physical - 0x700000) / 0x1000];
}

static void a_walk_goes_on_through_the_second_level(void **state)
{
    static const struct page_source source = {take, NULL, see, NULL};

    (void)state;
    nested_used = 0;
    assert_true(table_init(&guest.vm.nested, &table_format_ept, &source, 4, 2));
    assert_true(table_map(&guest.vm.nested, 0x45000, 0x99000, 0x1000, TABLE_READ, EPT_WB));
    walk(GVA);
    expect("  guest-physical 45123\n  nested level 4 at 000700000: ");
    expect("  nested level 1 at 000703228: 0000000000099031 R--\n");
    guest_poke(entry_at(1), 8, 0x46003);
    walk(GVA);
    expect("  nested level 1 at 000703230: 0000000000000000 not mapped");
}

static void latest_exits_come_first_and_repeats_as_one(void **state)
{
    (void)state;
    state_print_exits(&guest.vcpu, &text.writer);
    assert_null(strstr(shown, "other"));
    vcpu_note_exit(&guest.vcpu, 30, 0x100);
    vcpu_note_exit(&guest.vcpu, 30, 0x100);
    vcpu_note_exit(&guest.vcpu, 12, 0x81000000);
    state_print_exits(&guest.vcpu, &text.writer);
    expect("HLT 81000000; 2 x I/O 00000100\n");
}

static void the_ring_of_exits_keeps_the_last_32(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 100; i++)
        vcpu_note_exit(&guest.vcpu, 12, i);
    state_print_exits(&guest.vcpu, &text.writer);
    expect("HLT 00000064; HLT 00000063");
    expect("HLT 00000045\n");
    assert_null(strstr(shown, "HLT 00000044"));
    for (unsigned i = 0; i < 1000; i++)
        vcpu_note_exit(&guest.vcpu, 12, 7);
    text_buffer_init(&text, shown, sizeof(shown));
    state_print_exits(&guest.vcpu, &text.writer);
    expect("rip:\n32 x HLT 00000007\n");
}

static void bytes_are_read_up_to_the_first_that_is_not_there(void **state)
{
    uint8_t bytes[64];

    (void)state;
    guest_poke(PAGE + 0xff0, 1, 0x5a);
    assert_int_equal(debug_read(&guest.vcpu, (GVA & ~PAGE_MASK) + 0xff0, bytes, 64), 16);
    assert_int_equal(bytes[0], 0x5a);
    assert_int_equal(debug_read(&guest.vcpu, 0, bytes, 64), 0);
    guest_poke(entry_at(1), 8, 0x4000000003); /* mapped, not RAM */
    assert_int_equal(debug_read(&guest.vcpu, GVA, bytes, 1), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(an_entry_that_failed_is_explained_and_ends_the_vm),
        TEST(every_register_is_named),
        TEST(debug_registers_come_from_where_they_are_kept),
        TEST(only_the_first_vcpu_shows_the_control_structure),
        TEST(code_stands_around_rip),
        TEST(code_of_a_segment_counts_from_its_base),
        TEST(the_chain_of_frames_is_followed),
        TEST(a_chain_that_loops_or_has_no_end_stops),
        TEST(a_walk_shows_each_entry),
        TEST(a_walk_stops_where_nothing_is_mapped),
        TEST(a_walk_through_a_table_that_is_not_ram_stops),
        TEST(a_walk_ends_at_a_large_page),
        TEST(walks_of_narrow_modes_have_fewer_levels),
        TEST(a_walk_goes_on_through_the_second_level),
        TEST(latest_exits_come_first_and_repeats_as_one),
        TEST(the_ring_of_exits_keeps_the_last_32),
        TEST(bytes_are_read_up_to_the_first_that_is_not_there),
    };
    return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
