/* The emulator against Unicorn: random instructions on random registers must end alike. */
#include "tests/unit/guest.h"

#include <stdio.h>
#include <string.h>

#include <unicorn/unicorn.h>

#include "hv/decode/decode.h"
#include "hv/emulate/emulate.h"

#define ROUNDS 12000 /* instructions executed in each mode */

/* Unicorn keeps what it translated until the program ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libunicorn";
}

static uint64_t seed;
static uc_engine *engine;
static uint8_t *engine_ram;
static unsigned mode_bits, executed[OP_COUNT];

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static const int engine_registers[17] = {
    UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX, UC_X86_REG_RSP, UC_X86_REG_RBP,
    UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
    UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15, UC_X86_REG_RIP};
static const int engine_registers_32[17] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX,
                                            UC_X86_REG_EBX, UC_X86_REG_ESP, UC_X86_REG_EBP,
                                            UC_X86_REG_ESI, UC_X86_REG_EDI, [16] = UC_X86_REG_EIP};

static int engine_register(unsigned reg)
{
    return mode_bits == 64 ? engine_registers[reg] : engine_registers_32[reg];
}

static unsigned register_count(void)
{
    return mode_bits == 64 ? 16 : 8;
}

static void begin(unsigned bits)
{
    uc_mode mode = bits == 64 ? UC_MODE_64 : bits == 32 ? UC_MODE_32 : UC_MODE_16;
    uint64_t fs = 0x1230, gs = 0x4560;

    mode_bits = bits;
    seed = 0xfeedfacecafebeef + bits;
    guest_begin(bits);
    for (unsigned i = 0; i < GUEST_RAM; i += 8)
        guest_poke(i, 8, random_bits());
    engine_ram = aligned_alloc(PAGE_SIZE, GUEST_RAM);
    assert_int_equal(uc_open(UC_ARCH_X86, mode, &engine), UC_ERR_OK);
    assert_int_equal(uc_ctl_set_cpu_model(engine, UC_CPU_X86_HASWELL), UC_ERR_OK);
    assert_int_equal(uc_mem_map_ptr(engine, 0, GUEST_RAM, UC_PROT_ALL, engine_ram), UC_ERR_OK);
    if (bits == 64) {
        uc_reg_write(engine, UC_X86_REG_FS_BASE, &fs);
        uc_reg_write(engine, UC_X86_REG_GS_BASE, &gs);
        fake_cpu.segments[SEG_FS].base = fs;
        fake_cpu.segments[SEG_GS].base = gs;
    }
    memcpy(engine_ram, guest.ram, GUEST_RAM);
    memset(executed, 0, sizeof(executed));
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        static const int selectors[] = {UC_X86_REG_ES, UC_X86_REG_CS, UC_X86_REG_SS,
                                        UC_X86_REG_DS, UC_X86_REG_FS, UC_X86_REG_GS};
        uc_reg_read(engine, selectors[i], &fake_cpu.segments[i].selector);
    }
}

static void end(void)
{
    uc_close(engine);
    free(engine_ram);
    guest_end(NULL);
}

/* Some prefixes, an opcode, and bytes. */
static void make_stream(uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64, 0x65};
    unsigned at = 0, count = random_bits() % 6;

    for (unsigned i = 0; i < 16; i++)
        bytes[i] = random_bits() >> 24;
    for (unsigned i = 3; i < count; i++)
        bytes[at++] = prefixes[random_bits() % sizeof(prefixes)];
    if (mode_bits == 64 && (random_bits() & 1))
        bytes[at++] = 0x40 | (random_bits() & 0xf);
    if (random_bits() & 1)
        bytes[at++] = 0x0f;
    if (random_bits() % 32 == 0) { /* CMPXCHG8B and CLFLUSH are one of eight with their opcodes */
        bool flush = random_bits() & 1;

        bytes[at] = flush ? 0xae : 0xc7;
        bytes[at + 1] = (bytes[at + 1] & 0x87) | (flush ? 7 : 1) << 3;
    }
}

static bool is_string(const struct instruction *in)
{
    return in->operation >= OP_MOVS && in->operation <= OP_OUTS;
}

static bool is_bit_string(const struct instruction *in)
{
    return in->operation >= OP_BT && in->operation <= OP_BTC && in->from.kind == OPERAND_REGISTER &&
           in->to.kind == OPERAND_MEMORY;
}

/*
 * Prefixes on which Unicorn and silicon differ: a REX prefix that is not the last (silicon ignores it), and
 * F2 with F3 (the last counts).
 */
static bool has_odd_prefixes(const uint8_t *bytes)
{
    static const uint8_t legacy[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    bool rex = false, f2 = false, f3 = false;
    unsigned segments = 0;

    for (;; bytes++) {
        bool is_rex = mode_bits == 64 && (*bytes & 0xf0) == 0x40;

        if (!is_rex && !memchr(legacy, *bytes, sizeof(legacy)))
            return (f2 && f3) || segments > 1;
        if (rex)
            return true;
        rex = is_rex;
        segments += (*bytes & 0xe7) == 0x26 || (*bytes & 0xfe) == 0x64;
        f2 |= *bytes == 0xf2;
        f3 |= *bytes == 0xf3;
    }
}

/* Unicorn 2.0 has no MOVBE; the others need descriptor tables or ports. */
static bool is_left_out(unsigned operation)
{
    return operation == OP_LOAD_SEGMENT || operation == OP_POP_SEGMENT || operation == OP_INS ||
           operation == OP_OUTS || operation == OP_MOVBE || operation == OP_MOV_CONTROL ||
           operation == OP_MOV_DEBUG || operation == OP_LEAVES || operation == OP_RUN ||
           (operation >= OP_LOAD_SYSTEM && operation <= OP_CLEAR_LINE) || operation == OP_LOAD_FAR ||
           operation == OP_BOUND || operation == OP_POP_FLAGS ||
           (operation >= OP_CALL && operation <= OP_RETURN_INTERRUPT);
}

static bool is_double_shift(const struct instruction *in)
{
    return in->operation == OP_SHLD || in->operation == OP_SHRD;
}

static bool is_comparable(const struct instruction *in)
{
    if (is_left_out(in->operation))
        return false;
    if (in->operation == OP_NEG && in->lock)
        return false; /* Unicorn 2.0 takes the flags from the old value */
    if (is_double_shift(in) && in->operand_size == 2 && !(in->opcode & 1) && (in->immediate & 31) > 15)
        return false; /* undefined */
    if (is_double_shift(in) && in->operand_size == 2 && (in->opcode & 1) &&
        (in->base == REG_RCX || in->index == REG_RCX))
        return false;
    if (in->base == REG_RIP || ((in->to.kind == OPERAND_MEMORY || in->from.kind == OPERAND_MEMORY) &&
                                in->base == NO_REGISTER && in->index == NO_REGISTER))
        return (uint64_t)in->displacement < 0x7000;
    /* MOVSXD of 16 bits: Unicorn reads 32. PUSH of a segment register at 32 bits: both ways are allowed. */
    return !(in->operation == OP_MOVSX && in->opcode == 0x63 && in->operand_size == 2);
}

static uint64_t random_value(void)
{
    static const uint64_t edges[] = {0,      1,          0x7f,       0x80,       0xff,      0x7fff,
                                     0x8000, 0x7fffffff, 0x80000000, UINT64_MAX, INT64_MAX, BIT(63)};
    uint64_t value = random_bits() % 4 ? random_bits() : edges[random_bits() % ARRAY_LENGTH(edges)];

    return mode_bits == 64 ? value : (uint32_t)value;
}

/* A place in RAM where operands may lie; in 16-bit code within the segment's limit. */
static uint64_t random_place(void)
{
    return 0x8000 + random_bits() % (mode_bits == 16 ? 0x6000 : 0x60000);
}

static void make_registers(const struct instruction *in)
{
    static const uint64_t flags = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;
    uint64_t *gpr = guest.vcpu.arch.gpr;

    for (unsigned i = 0; i < register_count(); i++)
        gpr[i] = random_value();
    fake_cpu.regs[REG_RSP] = random_place();
    fake_cpu.regs[REG_RFLAGS] = RFLAGS_1 | (random_bits() & flags);
    if (is_string(in)) {
        gpr[REG_RSI] = random_place();
        gpr[REG_RDI] = random_place();
        gpr[REG_RCX] = random_bits() % 700;
        fake_cpu.regs[REG_RFLAGS] |= random_bits() & RFLAGS_DF;
        if (random_bits() & 1) /* equal runs for CMPS and SCAS */
            gpr[REG_RSI] = gpr[REG_RDI];
        return;
    }
    if (is_double_shift(in) && in->opcode & 1)
        gpr[REG_RCX] = random_bits() % (in->operand_size == 2 ? 16 : 64);
    if (in->operation == OP_DIV || in->operation == OP_IDIV) /* so that it does not fault each time */
        gpr[REG_RDX] = random_bits() % 3 - 1;
    if (mode_bits != 64)
        gpr[REG_RDX] = (uint32_t)gpr[REG_RDX];
    if (in->operation == OP_LEAVE || in->operation == OP_ENTER)
        gpr[REG_RBP] = random_place();
    if (is_bit_string(in))
        gpr[in->from.index] = random_bits() % 0x10000 - (mode_bits == 64 ? 0x8000 : 0);
    if (in->index != NO_REGISTER)
        gpr[in->index] = random_bits() % 0x1000;
    if (in->base != NO_REGISTER && in->base != REG_RIP && in->base != REG_RSP && in->base != in->index) {
        uint64_t index = in->index == NO_REGISTER ? 0 : gpr[in->index] << in->scale;
        uint64_t place = in->operand_size == 16 ? ALIGN_DOWN(random_place(), 16) : random_place();
        uint64_t value = place - in->displacement - index;

        gpr[in->base] = mode_bits == 64 ? value : (uint32_t)value;
    }
}

/* Flags that the SDM leaves undefined after an instruction. */
static uint64_t undefined_flags(const struct instruction *in)
{
    switch (in->operation) {
    case OP_OR:
    case OP_AND:
    case OP_XOR:
    case OP_TEST:
        return RFLAGS_AF;
    case OP_ROL:
    case OP_ROR:
    case OP_RCL:
    case OP_RCR:
        return in->immediate == 1 ? 0 : RFLAGS_OF;
    case OP_SHL:
    case OP_SHR:
    case OP_SAR:
        return RFLAGS_AF | (in->immediate == 1 ? 0 : RFLAGS_OF | (in->operand_size < 4 ? RFLAGS_CF : 0));
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
    case OP_DIV:
    case OP_IDIV:
        return UINT64_MAX;
    case OP_BSF:
    case OP_BSR:
        return ~RFLAGS_ZF;
    case OP_SHLD:
    case OP_SHRD:
        return RFLAGS_AF | (!(in->opcode & 1) && in->immediate == 1 ? 0 : RFLAGS_OF);
    case OP_MUL:
    case OP_IMUL1:
    case OP_IMUL:
        return RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF;
    default:
        return 0;
    }
}

static void give_engine_the_state(uint64_t rip)
{
    for (unsigned i = 0; i < register_count(); i++) {
        uint64_t value = i == REG_RSP ? fake_cpu.regs[REG_RSP] : guest.vcpu.arch.gpr[i];
        uc_reg_write(engine, engine_register(i), &value);
    }
    uc_reg_write(engine, engine_register(16), &rip);
    uc_reg_write(engine, UC_X86_REG_EFLAGS, &fake_cpu.regs[REG_RFLAGS]);
}

/* Runs ours until the instruction is done; false if it faulted. */
static bool run_ours(uint64_t rip, gpa_t gpa)
{
    fake_cpu.regs[REG_RIP] = rip;
    for (unsigned i = 0; i < 100; i++) {
        enum emulate_result result = emulate(&guest.vcpu, gpa);

        assert_int_not_equal(result, EMULATE_UNKNOWN);
        if (result == EMULATE_FAULT)
            return false;
        if (fake_cpu.regs[REG_RIP] != rip)
            return true;
    }
    fail_msg("no end to a REP");
    return false;
}

static _Noreturn void disagree(const char *what, const uint8_t *bytes, uint64_t ours, uint64_t theirs)
{
    char text[64];

    for (unsigned i = 0; i < 15; i++)
        snprintf(text + 3 * i, sizeof(text) - 3 * i, "%02x ", bytes[i]);
    fail_msg("%u-bit %s: %s is %lx, in Unicorn %lx", mode_bits, text, what, ours, theirs);
    abort();
}

static void compare(const struct instruction *in, const uint8_t *bytes)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                        "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
    uint64_t flags = 0, mask = ~undefined_flags(in) & 0xcd5;

    for (unsigned i = 0; i < 17; i++) {
        uint64_t theirs = 0,
                 ours = i == REG_RSP || i == REG_RIP ? fake_cpu.regs[i] : guest.vcpu.arch.gpr[i & 15];

        if (i < 16 && i >= register_count())
            continue;
        uc_reg_read(engine, engine_register(i), &theirs);
        if (ours != theirs)
            disagree(names[i], bytes, ours, theirs);
    }
    uc_reg_read(engine, UC_X86_REG_EFLAGS, &flags);
    if ((flags ^ fake_cpu.regs[REG_RFLAGS]) & mask)
        disagree("rflags", bytes, fake_cpu.regs[REG_RFLAGS] & mask, flags & mask);
    for (unsigned i = 0; memcmp(guest.ram, engine_ram, GUEST_RAM) && i < GUEST_RAM; i++)
        if (guest.ram[i] != engine_ram[i])
            disagree("memory", bytes, i << 8 | guest.ram[i], engine_ram[i]);
}

/* What an exit would report for the memory operand: it is the linear address here. */
static gpa_t exit_gpa(const struct instruction *in, uint64_t rip, const uint64_t *gpr)
{
    uint64_t address = in->displacement;

    if ((in->to.kind != OPERAND_MEMORY && in->from.kind != OPERAND_MEMORY) || is_bit_string(in) ||
        in->operation == OP_PUSH || in->operation == OP_POP)
        return EMULATE_NO_GPA;
    if (in->base != NO_REGISTER)
        address += in->base == REG_RIP   ? rip + in->length
                   : in->base == REG_RSP ? fake_cpu.regs[REG_RSP]
                                         : gpr[in->base];
    if (in->index != NO_REGISTER)
        address += gpr[in->index] << in->scale;
    return (address & size_mask(in->address_size)) + fake_cpu.segments[in->segment].base;
}

/* Unicorn does not know the second encoding of TEST with an immediate, and stays where it is. */
static bool has_no_test(uint64_t rip)
{
    uint64_t now = 0;

    uc_reg_read(engine, engine_register(16), &now);
    return now == rip;
}

/*
 * One instruction: twice in ours, so that the second time it comes from the cache and with the address that
 * an exit reports, and once in Unicorn.
 */
static bool compare_one(const struct instruction *in, const uint8_t *bytes)
{
    uint64_t rip = 0x1000 + random_bits() % 0x2000, gpr[16];
    struct fake_cpu cpu;

    make_registers(in);
    memcpy(guest.ram + rip, bytes, in->length);
    memcpy(engine_ram + rip, bytes, in->length);
    memcpy(gpr, guest.vcpu.arch.gpr, sizeof(gpr));
    cpu = fake_cpu;
    give_engine_the_state(rip);
    uc_ctl_remove_cache(engine, rip, rip + 16);
    if (uc_emu_start(engine, rip, rip + in->length, 0, 0) != UC_ERR_OK || has_no_test(rip)) {
        memcpy(engine_ram, guest.ram, GUEST_RAM); /* left RAM, or misaligned: nothing to compare */
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        static uint8_t before[GUEST_RAM];

        memcpy(guest.vcpu.arch.gpr, gpr, sizeof(gpr));
        fake_cpu = cpu;
        if (i == 0)
            memcpy(before, guest.ram, GUEST_RAM);
        else
            memcpy(guest.ram, before, GUEST_RAM);
        if (!run_ours(rip, i == 0 ? EMULATE_NO_GPA : exit_gpa(in, rip, gpr))) {
            bool unchecked =
                mode_bits == 16 || (mode_bits == 32 && in->segment == SEG_CS) || in->operand_size == 16;

            if (!unchecked || guest.fault.vector == EXC_UD)
                disagree("fault", bytes, guest.fault.vector, 0);
            memcpy(guest.ram, before,
                   GUEST_RAM); /* a limit, a write to CS, a misaligned pair: Unicorn does not check */
            memcpy(engine_ram, before, GUEST_RAM);
            return false;
        }
        compare(in, bytes);
    }
    return true;
}

static void compare_with_unicorn(unsigned bits)
{
    unsigned done = 0, tried = 0;

    begin(bits);
    while (done < ROUNDS && tried++ < 60 * ROUNDS) {
        struct instruction in;
        uint8_t bytes[32];

        make_stream(bytes);
        if (decode(bytes, 15, bits, &in) != DECODE_OK || has_odd_prefixes(bytes) || !is_comparable(&in) ||
            !compare_one(&in, bytes))
            continue;
        executed[in.operation]++;
        done++;
    }
    for (unsigned i = OP_NONE + 1; i < OP_COUNT; i++)
        if (!is_left_out(i) && executed[i] < 3 && !(bits == 64 && (i == OP_PUSH_ALL || i == OP_POP_ALL)))
            fail_msg("operation %u was executed %u times", i, executed[i]);
    end();
}

static void random_16_bit_instructions_end_as_in_unicorn(void **state)
{
    (void)state;
    compare_with_unicorn(16);
}

static void random_32_bit_instructions_end_as_in_unicorn(void **state)
{
    (void)state;
    compare_with_unicorn(32);
}

static void random_64_bit_instructions_end_as_in_unicorn(void **state)
{
    (void)state;
    compare_with_unicorn(64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_16_bit_instructions_end_as_in_unicorn),
        cmocka_unit_test(random_32_bit_instructions_end_as_in_unicorn),
        cmocka_unit_test(random_64_bit_instructions_end_as_in_unicorn),
    };
    return cmocka_run_group_tests_name("unicorn", tests, NULL, NULL);
}
