/*
 * Every instruction that Zydis knows with an operand in memory, in each mode of code: the emulator must have
 * it, or a reason is given here why none comes to it. What it runs in the CPU (hv/emulate/emulate_run.c) is
 * run with its operand on a device and on a hole, and as it is, with the same bytes in this process's memory:
 * both must leave the same.
 */
#include "tests/unit/emulate/emulate_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include <Zydis/Zydis.h>

#include "hv/decode/decode.h"
#include "hv/decode/decode_forms.h"
#include "hv/host/stub.h"
#include "tests/unit/guest_trap.h"

/* Instruction sets that no guest is shown: hv/cpu/cpuid_policy.c, or no processor with VMX or SVM has them.
 */
static const struct {
    const char *prefix, *why;
} refused_sets[] = {
    {"KNC", "Xeon Phi coprocessors are no PCs"},
    {"AVX512PF", "prefetches: they touch nothing"},
    {"AMX", "XCR0 offers no tiles"},
    {"CET", "not shown"},
    {"MPX", "not shown"},
    {"KEYLOCKER", "not shown"},
    {"ENQCMD", "not shown"},
    {"UINTR", "not shown"},
    {"PT", "not shown"},
    {"SMX", "not shown"},
    {"LWP", "not shown"},
    {"VTX", "not shown: #UD, or an exit, before the operand"},
    {"SVM", "not shown: #UD, or an exit, before the operand"},
    {"PADLOCK", "not on Intel's or AMD's processors"},
    {"SNP", "not shown"},
    {"TDX", "not shown"},
};

struct tally {
    unsigned covered, refused, compared, absent;
    char missing[65536];
    unsigned missing_count, last,
        last_bits; /* one line for the forms of an instruction that follow each other */
};

static struct tally tally;
static ZydisDecoder decoders[3];
static const unsigned widths[] = {16, 32, 64};
static uint64_t seed = 0x9876543210fedcba;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct zydis {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static bool is_among(ZydisMnemonic mnemonic, const ZydisMnemonic *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (mnemonic == list[i])
            return true;
    return false;
}

/* Pushes by which an event is delivered. */
static const ZydisMnemonic events[] = {ZYDIS_MNEMONIC_INT, ZYDIS_MNEMONIC_INT1, ZYDIS_MNEMONIC_INT3,
                                       ZYDIS_MNEMONIC_INTO};

/* Whether it touches memory: LEA, NOP and what only names a place do not. Of some Zydis does not say it. */
static bool touches(const struct zydis *z)
{
    static const ZydisMnemonic unsaid[] = {ZYDIS_MNEMONIC_CLZERO, ZYDIS_MNEMONIC_UMONITOR};

    if (is_among(z->in.mnemonic, unsaid, ARRAY_LENGTH(unsaid)) ||
        is_among(z->in.mnemonic, events, ARRAY_LENGTH(events)))
        return true;
    for (unsigned i = 0; i < z->in.operand_count; i++) {
        const ZydisDecodedOperand *operand = &z->operands[i];

        if (operand->type == ZYDIS_OPERAND_TYPE_MEMORY && operand->actions &&
            (operand->mem.type == ZYDIS_MEMOP_TYPE_MEM || operand->mem.type == ZYDIS_MEMOP_TYPE_VSIB))
            return true;
    }
    return false;
}

/* Without an access, or with an exit of its own: an operand on a device never brings it to the emulator. */
static const char *never_comes(const struct zydis *z)
{
    static const ZydisMnemonic only_named[] = {
        ZYDIS_MNEMONIC_NOP, ZYDIS_MNEMONIC_INVLPG,   ZYDIS_MNEMONIC_UD0,
        ZYDIS_MNEMONIC_UD1, ZYDIS_MNEMONIC_CLDEMOTE,
    };

    if (z->in.meta.category == ZYDIS_CATEGORY_PREFETCH || z->in.meta.category == ZYDIS_CATEGORY_PREFETCHWT1)
        return "a prefetch touches nothing";
    if (is_among(z->in.mnemonic, only_named, ARRAY_LENGTH(only_named)))
        return "names a place and does not touch it";
    if (is_among(z->in.mnemonic, events, ARRAY_LENGTH(events)))
        return "an event: if its stack is no RAM a line says so, and the VM ends (hv/exit/exit.c, "
               "exit_memory)";
    return NULL;
}

static const char *refusal(const struct zydis *z)
{
    const char *set = ZydisISASetGetString(z->in.meta.isa_set);

    for (unsigned i = 0; i < ARRAY_LENGTH(refused_sets); i++)
        if (!strncmp(set, refused_sets[i].prefix, strlen(refused_sets[i].prefix)) &&
            !(refused_sets[i].prefix[2] == 0 && strlen(set) > 2))
            return refused_sets[i].why;
    return never_comes(z);
}

static void miss(const struct zydis *z, const uint8_t *bytes, unsigned bits, const char *why)
{
    char line[160], text[48];

    if (z->in.mnemonic == tally.last && bits == tally.last_bits)
        return;
    tally.last = z->in.mnemonic, tally.last_bits = bits;
    for (unsigned i = 0; i < z->in.length; i++)
        snprintf(text + 3 * i, 4, "%02x ", bytes[i]);
    snprintf(line, sizeof(line), "\n%u-bit %s(%s, %s): %s", bits, text,
             ZydisMnemonicGetString(z->in.mnemonic), ZydisISASetGetString(z->in.meta.isa_set), why);
    if (tally.missing_count++ < 400)
        strcat(tally.missing, line);
}

#define HOLE  0x80000000
#define PLACE 0x1000 /* of the operand on the device's two pages, and on this process's */

static uint8_t *memory; /* two pages, as the device has them */
static uint8_t *original;
static uint8_t start[GUEST_STATE], theirs[GUEST_STATE];

/* Vector registers as they come, but no denormals and NaNs that would end in #XM, and small indexes. */
static void make_state(const struct instruction *in)
{
    guest_set_state(NULL);
    guest.state[512] = 0xe7; /* all that is there */
    for (unsigned i = 32; i < 160; i++)
        if (i % 16 < 8)
            guest.state[i] = (uint8_t)(random_bits() >> 20);
    for (unsigned i = 160; i < 416; i += 4) {
        uint32_t value = 0x3f000000 | (random_bits() & 0x81ffffff);
        memcpy(guest.state + i, &value, 4);
    }
    for (unsigned i = 576; i < 4096; i += 4) {
        uint32_t value = 0x3f000000 | (random_bits() & 0x81ffffff);
        memcpy(guest.state + i, &value, 4);
    }
    (void)in;
}

static uint64_t host_xcr0(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* The index register of VSIB is made small by an instruction of its own. */
static void make_indexes(const struct instruction *in)
{
    struct stub_registers registers = {0};
    uint8_t *copy = stub_operand();
    /* vmovdqu32 zmmN, [copy] */
    uint8_t code[10] = {0x62, 0xf1, 0x7e, 0x48, 0x6f, 0x05};
    int32_t distance = stub_distance(sizeof(code));
    unsigned size = in->opcode & 1 ? 8 : 4;

    for (unsigned i = 0; i < 64; i += size) {
        int64_t index = (int64_t)(random_bits() % 400) - 200;
        memcpy(copy + i, &index, size);
    }
    code[1] = 0xf1 & ~(in->vector_index & 8 ? 0x80 : 0) & ~(in->vector_index & 16 ? 0x10 : 0);
    code[5] |= (in->vector_index & 7) << 3;
    memcpy(code + 6, &distance, 4);
    assert_int_equal(stub_run(code, sizeof(code), &registers), EXC_NONE);
}

static bool same_state(void)
{
    static const struct {
        unsigned at, size;
    } parts[] = {{0, 5}, {24, 4}, {160, 256}, {576, 256}, {1088, 64}, {1152, 512}, {1664, 1024}};

    for (unsigned i = 0; i < ARRAY_LENGTH(parts); i++)
        if (memcmp(guest.state + parts[i].at, theirs + parts[i].at, parts[i].size))
            return false;
    for (unsigned i = 0; i < 8; i++)
        if (memcmp(guest.state + 32 + 16 * i, theirs + 32 + 16 * i, 10))
            return false;
    return true;
}

/* The instruction as it is, in this process. Returns the vector of its exception. */
static unsigned run_original(const uint8_t *bytes, unsigned length, struct stub_registers *registers)
{
    memcpy(original, bytes, length);
    original[length] = 0xc3;
    guest_trap_begin(original, length);
    guest_state_call(registers, (uint64_t)original);
    return guest_trap_end();
}

/* For what restores from an area: a header, and an MXCSR, that can be. */
static void make_area(uint8_t *area)
{
    static const uint32_t mxcsr[2] = {0x1f80, 0};
    uint64_t bitmap = random_bits() & host_xcr0();

    memcpy(area + 24, mxcsr, sizeof(mxcsr));
    memset(area + 512, 0, 64);
    memcpy(area + 512, &bitmap, sizeof(bitmap));
}

/* On the device, or on a hole, which reads as ones: the original gets those too. */
static void compare(const struct zydis *z, const uint8_t *bytes, const struct instruction *in, bool hole)
{
    uint64_t base = hole ? HOLE : GUEST_MMIO;
    struct stub_registers registers = {.flags = RFLAGS_1 | RFLAGS_CF};
    uint64_t gpr[16], before_gpr[16];
    unsigned vector, place = in->base;
    enum emulate_result result;

    guest_begin(64);
    regs[REG_CR4] = CR4_OSFXSR | CR4_OSXSAVE | CR4_OSXMMEXCPT;
    regs[REG_RFLAGS] = registers.flags;
    guest.vcpu.arch.xcr0 = host_xcr0();
    guest.cpuid7_ebx = BIT(30); /* AVX512BW */
    make_state(in);
    for (unsigned i = 0; i < 16; i++)
        gpr[i] = random_bits();
    gpr[REG_RCX] = gpr[REG_RCX] & 0x1f;
    gpr[REG_RBP] &= 0x7f; /* the index of [rbx + rbp] */
    regs[REG_RSP] = 0x7000;
    gpr[REG_RSP] = 0x7000;
    if (in->form->flags & FORM_VSIB)
        make_indexes(in);
    for (unsigned i = 0; i < 2 * PAGE_SIZE; i += 4) {
        uint32_t value = 0x3f800000 | (random_bits() & 0x807fffff);
        memcpy(guest.mmio + i, &value, 4);
    }
    if (in->form->flags & FORM_AREA)
        make_area(guest.mmio + PLACE);
    memcpy(memory, guest.mmio, 2 * PAGE_SIZE);
    if (hole)
        memset(memory, 0xff, 2 * PAGE_SIZE);
    memcpy(start, guest.state, sizeof(start));
    memcpy(registers.general, gpr, sizeof(gpr));
    registers.general[place] = (uint64_t)memory + PLACE;
    vector = run_original(bytes, z->in.length, &registers);
    memcpy(theirs, guest.state, sizeof(theirs));
    if (vector == EXC_UD) {
        tally.absent += !hole;
        return;
    }
    memcpy(guest.state, start, sizeof(start));
    memcpy(guest.vcpu.arch.gpr, gpr, sizeof(gpr));
    guest.vcpu.arch.gpr[place] = base + PLACE;
    memcpy(before_gpr, guest.vcpu.arch.gpr, sizeof(before_gpr));
    guest_code(CODE, bytes, 15);
    result = emulate(&guest.vcpu, EMULATE_NO_GPA);
    tally.compared += !hole;
    if (vector != GUEST_NO_TRAP) {
        if (result != EMULATE_FAULT || guest.fault.vector != vector)
            miss(z, bytes, 64, "raises another exception");
        return;
    }
    if (result != EMULATE_DONE) {
        miss(z, bytes, 64, result == EMULATE_FAULT ? "faults" : "is unknown");
        return;
    }
    if (registers.general[place] == (uint64_t)memory + PLACE)
        registers.general[place] = base + PLACE;
    registers.general[REG_RSP] = guest.vcpu.arch.gpr[REG_RSP];
    if (regs[REG_RIP] - CODE != z->in.length)
        miss(z, bytes, 64, "RIP");
    else if (memcmp(guest.vcpu.arch.gpr, registers.general, sizeof(gpr)))
        miss(z, bytes, 64, "another general register");
    else if ((regs[REG_RFLAGS] ^ registers.flags) & 0x8d5)
        miss(z, bytes, 64, "other flags");
    else if (!hole && memcmp(guest.mmio, memory, 2 * PAGE_SIZE))
        miss(z, bytes, 64, "other memory");
    else if (!same_state())
        miss(z, bytes, 64, "another state");
}

/* x87's environment has addresses; RSP is this process's stack, RBX has another address here. */
static bool is_comparable(const struct instruction *in, unsigned bits)
{
    if (in->form && in->form->flags & FORM_GENERAL && (in->reg == REG_RSP || in->reg == REG_RBX))
        return false;
    if (in->form && in->form->flags & FORM_SUPERVISOR)
        return false;
    return bits == 64 && in->operation == OP_RUN && in->form->size != S_ENV && in->form->size != S_STATE &&
           in->base == (in->form->flags & FORM_AT_RDI ? REG_RDI : REG_RBX);
}

static void check(const uint8_t *bytes, unsigned mode)
{
    struct instruction in;
    const char *why;
    struct zydis z;

    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoders[mode], bytes, 15, &z.in, z.operands)) || !touches(&z))
        return;
    why = refusal(&z);
    if (why) {
        tally.refused++;
        return;
    }
    if (decode(bytes, 15, widths[mode], &in) != DECODE_OK || in.operation == OP_LEAVES) {
        miss(&z, bytes, widths[mode], "not known");
        return;
    }
    tally.covered++;
    if (in.length != z.in.length)
        miss(&z, bytes, widths[mode], "another length");
    else if (is_comparable(&in, widths[mode]))
        for (unsigned hole = 0; hole < 2; hole++)
            compare(&z, bytes, &in, hole);
}

/* [rbx], [ebx] or [bx], or [rbx + index] by a SIB byte, with `reg`. */
static unsigned put_modrm(uint8_t *bytes, unsigned mode, unsigned reg, bool sib)
{
    bytes[0] = (uint8_t)(reg << 3 | (mode == 0 ? 7 : sib ? 4 : 3));
    if (!sib || mode == 0)
        return 1;
    bytes[1] = 0x2b; /* [rbx + index 5] */
    return 2;
}

/* With a ModRM byte that names memory, and with each that does not: what has memory beside it, or no such
 * byte. */
static void every_legacy(unsigned mode)
{
    static const uint8_t mandatory[] = {0, 0x66, 0xf3, 0xf2};

    for (unsigned i = 0; i < 4 * 256 * 4 * 2 * 72; i++) {
        unsigned form = i % 72, w = i / 72 & 1, prefix = i / 144 & 3, opcode = i / 576 & 0xff,
                 map = i / 576 >> 8, at = 0;
        uint8_t bytes[32] = {0};

        if (w && mode != 2)
            continue;
        if (prefix)
            bytes[at++] = mandatory[prefix];
        if (w)
            bytes[at++] = 0x48;
        if (map)
            bytes[at++] = 0x0f;
        if (map > 1)
            bytes[at++] = map == 2 ? 0x38 : 0x3a;
        bytes[at++] = (uint8_t)opcode;
        if (form < 8)
            at += put_modrm(bytes + at, mode, form, false);
        else
            bytes[at++] = (uint8_t)(0xc0 + form - 8);
        bytes[at] = 0x0c; /* of 3DNow, PI2FW; as an immediate a bit number */
        check(bytes, mode);
    }
}

static void every_vex(unsigned mode, uint8_t first, unsigned maps, unsigned from)
{
    for (unsigned map = from; map < from + maps; map++)
        for (unsigned i = 0; i < 256 * 4 * 2 * 2 * 8 * 4; i++) {
            unsigned opcode = i >> 9, pp = i >> 7 & 3, w = i >> 6 & 1, l = i >> 5 & 1, reg = i >> 2 & 7,
                     vector = i >> 1 & 1, sib = i & 1;
            uint8_t bytes[32] = {first, (uint8_t)(0xe0 | map),
                                 (uint8_t)(w << 7 | (vector ? 13 : 15) << 3 | l << 2 | pp), (uint8_t)opcode};

            bytes[4 + put_modrm(bytes + 4, mode, reg, sib)] = 0x21;
            check(bytes, mode);
            bytes[4] |= 0xc0; /* between registers, with memory beside them */
            check(bytes, mode);
        }
}

static void every_evex(unsigned mode)
{
    for (unsigned map = 1; map <= 6; map++)
        for (unsigned i = 0; i < 256 * 4 * 2 * 4 * 2 * 2 * 2 * 2 * 2; i++) {
            unsigned opcode = i >> 10, pp = i >> 8 & 3, w = i >> 7 & 1, l = i >> 5 & 3, b = i >> 4 & 1,
                     a = i >> 3 & 1, vector = i >> 2 & 1, sib = i >> 1 & 1, reg = (i & 1) * 2 + (opcode & 1);
            uint8_t bytes[32] = {0x62, (uint8_t)(0xf0 | map),
                                 (uint8_t)(w << 7 | (vector ? 13 : 15) << 3 | 4 | pp),
                                 (uint8_t)(l << 5 | b << 4 | 8 | a), (uint8_t)opcode};

            bytes[5 + put_modrm(bytes + 5, mode, reg, sib)] = 0x21;
            check(bytes, mode);
        }
}

static int setup(void **state)
{
    static const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                             ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth stacks[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        ZydisDecoderInit(&decoders[i], modes[i], stacks[i]);
    memset(&tally, 0, sizeof(tally));
    if (!memory) {
        memory = guest_pages(2);
        original = guest_pages(1);
    }
    return 0;
}

static void finish(const char *what)
{
    printf("%s: %u forms are executed (%u as the CPU does it on RAM, %u not on this CPU), %u never come\n",
           what, tally.covered, tally.compared, tally.absent, tally.refused);
    if (tally.missing_count) {
        printf("%u are not:%s\n", tally.missing_count, tally.missing);
        fail();
    }
}

static void every_instruction_of_the_legacy_maps(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++)
        every_legacy(mode);
    finish("legacy maps");
}

static void every_instruction_with_a_vex_or_xop_prefix(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++) {
        every_vex(mode, 0xc4, 3, 1);
        every_vex(mode, 0x8f, 3, 8);
    }
    finish("VEX and XOP");
}

static void every_instruction_with_an_evex_prefix(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 3; mode++)
        every_evex(mode);
    finish("EVEX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_instruction_of_the_legacy_maps, setup, guest_end),
        cmocka_unit_test_setup_teardown(every_instruction_with_a_vex_or_xop_prefix, setup, guest_end),
        cmocka_unit_test_setup_teardown(every_instruction_with_an_evex_prefix, setup, guest_end),
    };
    return cmocka_run_group_tests_name("operands", tests, NULL, NULL);
}
