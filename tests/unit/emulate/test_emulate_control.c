/* MOV of control registers by the emulator, and the lengths of instructions that leave the guest by
 * themselves. */
#include "tests/unit/guest.h"

#include <string.h>

#include "hv/emulate/emulate.h"

#define CODE       0x1000
#define CPUID1_PAE BIT(6)
#define CPUID1_TSC BIT(4)

static unsigned priority;

static unsigned get_tpr(void *state)
{
    (void)state;
    return priority;
}

static void set_tpr(void *state, unsigned value)
{
    (void)state;
    priority = value;
}

static void begin(unsigned bits)
{
    guest_begin(bits);
    guest.vcpu.arch.interrupts = (struct interrupt_controller){.get_tpr = get_tpr, .set_tpr = set_tpr};
    guest.cpuid1_edx = CPUID1_PAE | CPUID1_TSC;
}

static enum emulate_result run(void)
{
    guest.raised = false;
    return emulate(&guest.vcpu, EMULATE_NO_GPA);
}

static unsigned length(void)
{
    return emulate_length(&guest.vcpu, fake_cpu.regs[REG_RIP], fake_cpu.regs[REG_CR3],
                          fake_cpu.segments[SEG_CS].base, fake_cpu.segments[SEG_CS].attributes);
}

static void assert_gp(void)
{
    assert_int_equal(run(), EMULATE_FAULT);
    assert_int_equal(guest.fault.vector, EXC_GP);
    assert_true(guest.fault.has_error);
    assert_int_equal(guest.fault.error, 0);
    assert_int_equal(fake_cpu.regs[REG_RIP], CODE);
}

static void cr8_is_the_priority_of_the_local_apic(void **state)
{
    (void)state;
    begin(64);
    GUEST_CODE(CODE, 0x45, 0x0f, 0x22, 0xc1); /* mov cr8, r9 */
    guest.vcpu.arch.gpr[REG_R9] = 11;
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(priority, 11);
    assert_int_equal(fake_cpu.regs[REG_RIP], CODE + 4);
    GUEST_CODE(CODE, 0x44, 0x0f, 0x20, 0xc3); /* mov rbx, cr8 */
    guest.vcpu.arch.gpr[REG_RBX] = UINT64_MAX;
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RBX], 11);
}

static void a_processor_that_names_the_registers_spares_the_bytes(void **state)
{
    (void)state;
    begin(64);
    guest.vcpu.arch.gpr[REG_R9] = 11;
    guest.vcpu.arch.gpr[REG_RBX] = UINT64_MAX;
    assert_true(emulate_move_control(&guest.vcpu, 8, REG_R9, true));
    assert_int_equal(priority, 11);
    assert_true(emulate_move_control(&guest.vcpu, 8, REG_RBX, false));
    assert_int_equal(guest.vcpu.arch.gpr[REG_RBX], 11);
    guest.vcpu.arch.gpr[REG_R9] = CR4_PAE | CR4_TSD;
    assert_true(emulate_move_control(&guest.vcpu, 4, REG_R9, true));
    assert_int_equal(fake_cpu.regs[REG_CR4], CR4_PAE | CR4_TSD);
    assert_false(guest.raised);

    guest.vcpu.arch.gpr[REG_R9] = 16;
    assert_false(emulate_move_control(&guest.vcpu, 8, REG_R9, true));
    assert_int_equal(guest.fault.vector, EXC_GP);
    assert_int_equal(priority, 11);
    guest_set_cpl(3);
    guest.raised = false;
    assert_false(emulate_move_control(&guest.vcpu, 8, REG_RBX, false));
    assert_true(guest.raised);
}

static void in_32_bit_code_a_move_has_32_bits(void **state)
{
    (void)state;
    begin(32);
    fake_cpu.regs[REG_CR4] = CR4_PAE;
    guest.vcpu.arch.gpr[REG_RBX] = UINT64_MAX;
    assert_true(emulate_move_control(&guest.vcpu, 4, REG_RBX, false));
    assert_int_equal(guest.vcpu.arch.gpr[REG_RBX], CR4_PAE);
    guest.vcpu.arch.gpr[REG_RBX] = BIT(40) | CR4_TSD;
    assert_true(emulate_move_control(&guest.vcpu, 4, REG_RBX, true));
    assert_int_equal(fake_cpu.regs[REG_CR4], CR4_TSD);
}

static unsigned given; /* bytes of an exit that the processor has kept */

static unsigned give_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    static const uint8_t to_cr8[] = {0x45, 0x0f, 0x22, 0xc1}; /* mov cr8, r9 */

    (void)vcpu;
    memcpy(bytes, to_cr8, sizeof(to_cr8));
    return given;
}

static void bytes_that_the_processor_kept_count_and_not_what_lies_there_now(void **state)
{
    struct virt_state vendor = *virt_state;
    const struct virt_state *before = virt_state;

    (void)state;
    begin(64);
    vendor.get_bytes = give_bytes;
    virt_state = &vendor;
    priority = 3;
    guest.vcpu.arch.gpr[REG_R9] = 11;
    GUEST_CODE(CODE, 0x44, 0x0f, 0x20, 0xc3); /* mov rbx, cr8 */
    given = 4;
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(priority, 11);
    assert_int_equal(fake_cpu.regs[REG_RIP], CODE + 4);
    for (given = 0; given < 4; given++) { /* too few to be an instruction: what lies there */
        fake_cpu.regs[REG_RIP] = CODE;
        guest.vcpu.arch.gpr[REG_RBX] = 0;
        assert_int_equal(run(), EMULATE_DONE);
        assert_int_equal(guest.vcpu.arch.gpr[REG_RBX], 11);
    }
    virt_state = before;
}

static void cr8_has_four_bits(void **state)
{
    (void)state;
    begin(64);
    priority = 3;
    GUEST_CODE(CODE, 0x44, 0x0f, 0x22, 0xc0); /* mov cr8, rax */
    guest.vcpu.arch.gpr[REG_RAX] = 16;
    assert_gp();
    assert_int_equal(priority, 3);
}

static void cr4_takes_what_cpuid_shows(void **state)
{
    (void)state;
    begin(64);
    GUEST_CODE(CODE, 0x0f, 0x22, 0xe0); /* mov cr4, rax */
    guest.vcpu.arch.gpr[REG_RAX] = CR4_PAE | CR4_TSD;
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(fake_cpu.regs[REG_CR4], CR4_PAE | CR4_TSD);
    assert_int_equal(fake_asked.cpuid_changes, 1);
    GUEST_CODE(CODE, 0x0f, 0x20, 0xe7); /* mov rdi, cr4 */
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(guest.vcpu.arch.gpr[REG_RDI], CR4_PAE | CR4_TSD);
}

static void bits_of_cr4_that_cpuid_does_not_show_are_reserved(void **state)
{
    (void)state;
    begin(64);
    fake_cpu.regs[REG_CR4] = CR4_PAE;
    GUEST_CODE(CODE, 0x0f, 0x22, 0xe0);
    for (unsigned bit = 0; bit < 64; bit++) {
        if (BIT(bit) & (CR4_PAE | CR4_TSD))
            continue;
        guest.vcpu.arch.gpr[REG_RAX] = CR4_PAE | BIT(bit);
        assert_gp();
    }
    assert_int_equal(fake_cpu.regs[REG_CR4], CR4_PAE);
    assert_int_equal(fake_asked.cpuid_changes, 0);
}

static void pae_stays_in_long_mode(void **state)
{
    (void)state;
    begin(64);
    fake_cpu.regs[REG_CR4] = CR4_PAE;
    GUEST_CODE(CODE, 0x0f, 0x22, 0xe0);
    guest.vcpu.arch.gpr[REG_RAX] = 0;
    assert_gp();
}

static void thirty_two_bit_code_moves_thirty_two_bits(void **state)
{
    (void)state;
    begin(32);
    GUEST_CODE(CODE, 0x0f, 0x22, 0xe1); /* mov cr4, ecx */
    guest.vcpu.arch.gpr[REG_RCX] = UINT64_C(0xdead00000000) | CR4_PAE;
    assert_int_equal(run(), EMULATE_DONE);
    assert_int_equal(fake_cpu.regs[REG_CR4], CR4_PAE);
}

static void programs_may_not(void **state)
{
    static const uint8_t codes[][3] = {{0x0f, 0x22, 0xe0}, {0x0f, 0x20, 0xe0}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        begin(64);
        guest_set_cpl(3);
        guest_code(CODE, codes[i], sizeof(codes[i]));
        assert_gp();
    }
}

static void other_control_registers_are_not_emulated(void **state)
{
    static const uint8_t codes[][3] = {
        {0x0f, 0x22, 0xc0}, {0x0f, 0x20, 0xc0}, {0x0f, 0x22, 0xd8}, {0x0f, 0xa2}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        begin(64);
        guest_code(CODE, codes[i], sizeof(codes[i]));
        assert_int_equal(run(), EMULATE_UNKNOWN);
        assert_int_equal(fake_cpu.regs[REG_RIP], CODE);
    }
}

static void what_leaves_the_guest_has_a_length(void **state)
{
    static const struct {
        uint8_t length, code[8];
    } rows[] = {
        {2, {0x0f, 0xa2}},                   /* cpuid */
        {4, {0x66, 0xf3, 0x0f, 0xa2}},       /* with prefixes that mean nothing */
        {3, {0x48, 0x0f, 0x32}},             /* rdmsr */
        {1, {0xf4}},                         /* hlt */
        {3, {0x0f, 0x01, 0xd9}},             /* vmmcall */
        {3, {0x0f, 0x01, 0xd1}},             /* xsetbv */
        {2, {0xcd, 0x80}},                   /* int 0x80 */
        {3, {0xf3, 0x0f, 0x09}},             /* wbnoinvd */
        {7, {0xff, 0x1c, 0x25, 0, 0, 0, 0}}, /* far call through memory */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        begin(64);
        guest_code(CODE, rows[i].code, sizeof(rows[i].code));
        assert_int_equal(length(), rows[i].length);
        assert_int_equal(length(), rows[i].length); /* as remembered */
        assert_int_equal(fake_cpu.regs[REG_RIP], CODE);
    }
}

static void far_pointers_count(void **state)
{
    (void)state;
    begin(32);
    GUEST_CODE(CODE, 0x9a, 1, 2, 3, 4, 5, 6);
    assert_int_equal(length(), 7);
    begin(16);
    GUEST_CODE(CODE, 0xea, 1, 2, 3, 4);
    assert_int_equal(length(), 5);
}

static void changed_code_has_its_new_length(void **state)
{
    (void)state;
    begin(64);
    GUEST_CODE(CODE, 0x0f, 0xa2);
    assert_int_equal(length(), 2);
    GUEST_CODE(CODE, 0x66, 0x0f, 0xa2);
    assert_int_equal(length(), 3);
}

static void what_cannot_be_fetched_faults_instead_of_having_a_length(void **state)
{
    (void)state;
    begin(32);
    fake_cpu.segments[SEG_CS].limit = CODE;
    GUEST_CODE(CODE, 0x0f, 0xa2);
    assert_int_equal(length(), 0);
    assert_true(guest.raised);
    assert_int_equal(guest.fault.vector, EXC_GP);
    begin(32);
    fake_cpu.regs[REG_CR0] |= CR0_PG; /* CR3 is 0, and there nothing is present */
    GUEST_CODE(CODE, 0x0f, 0xa2);
    assert_int_equal(length(), 0);
    assert_int_equal(guest.fault.vector, EXC_PF);
    assert_int_equal(guest.fault.address, CODE);
    begin(64);
    GUEST_CODE(CODE, 0xf0, 0x0f, 0xa2); /* lock cpuid */
    assert_int_equal(length(), 0);
    assert_int_equal(guest.fault.vector, EXC_UD);
}

static void another_instruction_in_its_place_has_no_length_and_runs(void **state)
{
    (void)state;
    begin(64);
    GUEST_CODE(CODE, 0x0f, 0x0b); /* ud2 */
    assert_int_equal(length(), 0);
    assert_false(guest.raised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(cr8_is_the_priority_of_the_local_apic, guest_end),
        cmocka_unit_test_teardown(a_processor_that_names_the_registers_spares_the_bytes, guest_end),
        cmocka_unit_test_teardown(in_32_bit_code_a_move_has_32_bits, guest_end),
        cmocka_unit_test_teardown(bytes_that_the_processor_kept_count_and_not_what_lies_there_now, guest_end),
        cmocka_unit_test_teardown(cr8_has_four_bits, guest_end),
        cmocka_unit_test_teardown(cr4_takes_what_cpuid_shows, guest_end),
        cmocka_unit_test_teardown(bits_of_cr4_that_cpuid_does_not_show_are_reserved, guest_end),
        cmocka_unit_test_teardown(pae_stays_in_long_mode, guest_end),
        cmocka_unit_test_teardown(thirty_two_bit_code_moves_thirty_two_bits, guest_end),
        cmocka_unit_test_teardown(programs_may_not, guest_end),
        cmocka_unit_test_teardown(other_control_registers_are_not_emulated, guest_end),
        cmocka_unit_test_teardown(what_leaves_the_guest_has_a_length, guest_end),
        cmocka_unit_test_teardown(far_pointers_count, guest_end),
        cmocka_unit_test_teardown(changed_code_has_its_new_length, guest_end),
        cmocka_unit_test_teardown(what_cannot_be_fetched_faults_instead_of_having_a_length, guest_end),
        cmocka_unit_test_teardown(another_instruction_in_its_place_has_no_length_and_runs, guest_end),
    };
    return cmocka_run_group_tests_name("emulate_control", tests, NULL, NULL);
}
