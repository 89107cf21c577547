/* The decoder against Zydis: random streams must mean the same to both. */
#include "tests/unit/fake.h"

#include <stdio.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "hv/decode/decode.h"
#include "hv/decode/decode_forms.h"

#define STREAMS 300000

static uint64_t seed;

static uint64_t random_bits(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* The mnemonics of each operation. */
static const ZydisMnemonic mnemonics[OP_COUNT][20] = {
    [OP_ADD] = {ZYDIS_MNEMONIC_ADD},
    [OP_OR] = {ZYDIS_MNEMONIC_OR},
    [OP_ADC] = {ZYDIS_MNEMONIC_ADC},
    [OP_SBB] = {ZYDIS_MNEMONIC_SBB},
    [OP_AND] = {ZYDIS_MNEMONIC_AND},
    [OP_SUB] = {ZYDIS_MNEMONIC_SUB},
    [OP_XOR] = {ZYDIS_MNEMONIC_XOR},
    [OP_CMP] = {ZYDIS_MNEMONIC_CMP},
    [OP_ROL] = {ZYDIS_MNEMONIC_ROL},
    [OP_ROR] = {ZYDIS_MNEMONIC_ROR},
    [OP_RCL] = {ZYDIS_MNEMONIC_RCL},
    [OP_RCR] = {ZYDIS_MNEMONIC_RCR},
    [OP_SHL] = {ZYDIS_MNEMONIC_SHL},
    [OP_SHR] = {ZYDIS_MNEMONIC_SHR},
    [OP_SAR] = {ZYDIS_MNEMONIC_SAR},
    [OP_TEST] = {ZYDIS_MNEMONIC_TEST},
    [OP_NOT] = {ZYDIS_MNEMONIC_NOT},
    [OP_NEG] = {ZYDIS_MNEMONIC_NEG},
    [OP_INC] = {ZYDIS_MNEMONIC_INC},
    [OP_DEC] = {ZYDIS_MNEMONIC_DEC},
    [OP_BT] = {ZYDIS_MNEMONIC_BT},
    [OP_BTS] = {ZYDIS_MNEMONIC_BTS},
    [OP_BTR] = {ZYDIS_MNEMONIC_BTR},
    [OP_BTC] = {ZYDIS_MNEMONIC_BTC},
    [OP_XCHG] = {ZYDIS_MNEMONIC_XCHG},
    [OP_XADD] = {ZYDIS_MNEMONIC_XADD},
    [OP_CMPXCHG] = {ZYDIS_MNEMONIC_CMPXCHG},
    [OP_CMPXCHG8B] = {ZYDIS_MNEMONIC_CMPXCHG8B, ZYDIS_MNEMONIC_CMPXCHG16B},
    [OP_MOV] = {ZYDIS_MNEMONIC_MOV, ZYDIS_MNEMONIC_MOVNTI},
    [OP_MOVZX] = {ZYDIS_MNEMONIC_MOVZX},
    [OP_MOVSX] = {ZYDIS_MNEMONIC_MOVSX, ZYDIS_MNEMONIC_MOVSXD},
    [OP_MOVBE] = {ZYDIS_MNEMONIC_MOVBE},
    [OP_LOAD_SEGMENT] = {ZYDIS_MNEMONIC_MOV},
    [OP_PUSH] = {ZYDIS_MNEMONIC_PUSH},
    [OP_PUSH_FLAGS] = {ZYDIS_MNEMONIC_PUSHF, ZYDIS_MNEMONIC_PUSHFD, ZYDIS_MNEMONIC_PUSHFQ},
    [OP_POP] = {ZYDIS_MNEMONIC_POP},
    [OP_POP_SEGMENT] = {ZYDIS_MNEMONIC_POP},
    [OP_CMOV] = {ZYDIS_MNEMONIC_CMOVO, ZYDIS_MNEMONIC_CMOVNO, ZYDIS_MNEMONIC_CMOVB, ZYDIS_MNEMONIC_CMOVNB,
                 ZYDIS_MNEMONIC_CMOVZ, ZYDIS_MNEMONIC_CMOVNZ, ZYDIS_MNEMONIC_CMOVBE, ZYDIS_MNEMONIC_CMOVNBE,
                 ZYDIS_MNEMONIC_CMOVS, ZYDIS_MNEMONIC_CMOVNS, ZYDIS_MNEMONIC_CMOVP, ZYDIS_MNEMONIC_CMOVNP,
                 ZYDIS_MNEMONIC_CMOVL, ZYDIS_MNEMONIC_CMOVNL, ZYDIS_MNEMONIC_CMOVLE, ZYDIS_MNEMONIC_CMOVNLE},
    [OP_SET] = {ZYDIS_MNEMONIC_SETO, ZYDIS_MNEMONIC_SETNO, ZYDIS_MNEMONIC_SETB, ZYDIS_MNEMONIC_SETNB,
                ZYDIS_MNEMONIC_SETZ, ZYDIS_MNEMONIC_SETNZ, ZYDIS_MNEMONIC_SETBE, ZYDIS_MNEMONIC_SETNBE,
                ZYDIS_MNEMONIC_SETS, ZYDIS_MNEMONIC_SETNS, ZYDIS_MNEMONIC_SETP, ZYDIS_MNEMONIC_SETNP,
                ZYDIS_MNEMONIC_SETL, ZYDIS_MNEMONIC_SETNL, ZYDIS_MNEMONIC_SETLE, ZYDIS_MNEMONIC_SETNLE},
    [OP_MUL] = {ZYDIS_MNEMONIC_MUL},
    [OP_IMUL1] = {ZYDIS_MNEMONIC_IMUL},
    [OP_IMUL] = {ZYDIS_MNEMONIC_IMUL},
    [OP_DIV] = {ZYDIS_MNEMONIC_DIV},
    [OP_IDIV] = {ZYDIS_MNEMONIC_IDIV},
    [OP_BSF] = {ZYDIS_MNEMONIC_BSF},
    [OP_BSR] = {ZYDIS_MNEMONIC_BSR},
    [OP_SHLD] = {ZYDIS_MNEMONIC_SHLD},
    [OP_SHRD] = {ZYDIS_MNEMONIC_SHRD},
    [OP_LOAD_SYSTEM] = {ZYDIS_MNEMONIC_LLDT, ZYDIS_MNEMONIC_LTR},
    [OP_STORE_SYSTEM] = {ZYDIS_MNEMONIC_SLDT, ZYDIS_MNEMONIC_STR, ZYDIS_MNEMONIC_SMSW},
    [OP_LOAD_TABLE] = {ZYDIS_MNEMONIC_LGDT, ZYDIS_MNEMONIC_LIDT},
    [OP_STORE_TABLE] = {ZYDIS_MNEMONIC_SGDT, ZYDIS_MNEMONIC_SIDT},
    [OP_LOAD_STATUS] = {ZYDIS_MNEMONIC_LMSW},
    [OP_VERIFY_READ] = {ZYDIS_MNEMONIC_VERR},
    [OP_VERIFY_WRITE] = {ZYDIS_MNEMONIC_VERW},
    [OP_LOAD_RIGHTS] = {ZYDIS_MNEMONIC_LAR},
    [OP_LOAD_LIMIT] = {ZYDIS_MNEMONIC_LSL},
    [OP_ADJUST_LEVEL] = {ZYDIS_MNEMONIC_ARPL},
    [OP_INVALIDATE] = {ZYDIS_MNEMONIC_INVPCID},
    [OP_MOVE_LINE] = {ZYDIS_MNEMONIC_MOVDIR64B},
    [OP_CLEAR_LINE] = {ZYDIS_MNEMONIC_CLZERO},
    [OP_CALL] = {ZYDIS_MNEMONIC_CALL},
    [OP_RETURN] = {ZYDIS_MNEMONIC_RET},
    [OP_JUMP] = {ZYDIS_MNEMONIC_JMP},
    [OP_JUMP_FAR] = {ZYDIS_MNEMONIC_JMP},
    [OP_CALL_FAR] = {ZYDIS_MNEMONIC_CALL},
    [OP_RETURN_FAR] = {ZYDIS_MNEMONIC_RET},
    [OP_RETURN_INTERRUPT] = {ZYDIS_MNEMONIC_IRET, ZYDIS_MNEMONIC_IRETD, ZYDIS_MNEMONIC_IRETQ},
    [OP_ENTER] = {ZYDIS_MNEMONIC_ENTER},
    [OP_LEAVE] = {ZYDIS_MNEMONIC_LEAVE},
    [OP_PUSH_ALL] = {ZYDIS_MNEMONIC_PUSHA, ZYDIS_MNEMONIC_PUSHAD},
    [OP_POP_ALL] = {ZYDIS_MNEMONIC_POPA, ZYDIS_MNEMONIC_POPAD},
    [OP_POP_FLAGS] = {ZYDIS_MNEMONIC_POPF, ZYDIS_MNEMONIC_POPFD, ZYDIS_MNEMONIC_POPFQ},
    [OP_LOAD_FAR] = {ZYDIS_MNEMONIC_LDS, ZYDIS_MNEMONIC_LES, ZYDIS_MNEMONIC_LSS, ZYDIS_MNEMONIC_LFS,
                     ZYDIS_MNEMONIC_LGS},
    [OP_BOUND] = {ZYDIS_MNEMONIC_BOUND},
    [OP_TRANSLATE] = {ZYDIS_MNEMONIC_XLAT},
    [OP_MOVS] = {ZYDIS_MNEMONIC_MOVSB, ZYDIS_MNEMONIC_MOVSW, ZYDIS_MNEMONIC_MOVSD, ZYDIS_MNEMONIC_MOVSQ},
    [OP_CMPS] = {ZYDIS_MNEMONIC_CMPSB, ZYDIS_MNEMONIC_CMPSW, ZYDIS_MNEMONIC_CMPSD, ZYDIS_MNEMONIC_CMPSQ},
    [OP_STOS] = {ZYDIS_MNEMONIC_STOSB, ZYDIS_MNEMONIC_STOSW, ZYDIS_MNEMONIC_STOSD, ZYDIS_MNEMONIC_STOSQ},
    [OP_LODS] = {ZYDIS_MNEMONIC_LODSB, ZYDIS_MNEMONIC_LODSW, ZYDIS_MNEMONIC_LODSD, ZYDIS_MNEMONIC_LODSQ},
    [OP_SCAS] = {ZYDIS_MNEMONIC_SCASB, ZYDIS_MNEMONIC_SCASW, ZYDIS_MNEMONIC_SCASD, ZYDIS_MNEMONIC_SCASQ},
    [OP_INS] = {ZYDIS_MNEMONIC_INSB, ZYDIS_MNEMONIC_INSW, ZYDIS_MNEMONIC_INSD},
    [OP_OUTS] = {ZYDIS_MNEMONIC_OUTSB, ZYDIS_MNEMONIC_OUTSW, ZYDIS_MNEMONIC_OUTSD},
    [OP_FLUSH] = {ZYDIS_MNEMONIC_CLFLUSH, ZYDIS_MNEMONIC_CLFLUSHOPT, ZYDIS_MNEMONIC_CLWB},
    [OP_MOV_CONTROL] = {ZYDIS_MNEMONIC_MOV},
    [OP_MOV_DEBUG] = {ZYDIS_MNEMONIC_MOV},
    [OP_LEAVES] = {ZYDIS_MNEMONIC_HLT, ZYDIS_MNEMONIC_CPUID, ZYDIS_MNEMONIC_RDMSR, ZYDIS_MNEMONIC_WRMSR,
                   ZYDIS_MNEMONIC_RDPMC, ZYDIS_MNEMONIC_INVD, ZYDIS_MNEMONIC_WBINVD, ZYDIS_MNEMONIC_XSETBV,
                   ZYDIS_MNEMONIC_VMMCALL, ZYDIS_MNEMONIC_INT, ZYDIS_MNEMONIC_INT1, ZYDIS_MNEMONIC_INT3,
                   ZYDIS_MNEMONIC_INTO},
};

struct zydis {
    ZyanStatus status;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static ZydisDecoder decoders[3];
static const unsigned widths[] = {16, 32, 64};

static int setup(void **state)
{
    (void)state;
    seed = 0x123456789abcdef1;
    ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&decoders[2], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return 0;
}

static _Noreturn void disagree(const char *what, const uint8_t *bytes, unsigned bits, const struct zydis *z)
{
    char text[64];

    for (unsigned i = 0; i < 15; i++)
        snprintf(text + 3 * i, sizeof(text) - 3 * i, "%02x ", bytes[i]);
    fail_msg("%u-bit %s: %s (Zydis: status %x, %s, length %u)", bits, text, what, z->status,
             ZydisMnemonicGetString(z->in.mnemonic), z->in.length);
    abort();
}

static bool has_mnemonic(unsigned operation, ZydisMnemonic mnemonic)
{
    for (unsigned i = 0; i < 19 && mnemonics[operation][i]; i++)
        if (mnemonics[operation][i] == mnemonic)
            return true;
    return false;
}

static unsigned register_number(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_NONE)
        return NO_REGISTER;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return REG_RIP;
    return ZydisRegisterGetId(reg);
}

static const ZydisDecodedOperand *memory_of(const struct zydis *z)
{
    for (unsigned i = 0; i < z->in.operand_count_visible; i++)
        if (z->operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            return &z->operands[i];
    return NULL;
}

static bool is_string(const struct instruction *in)
{
    return in->operation >= OP_MOVS && in->operation <= OP_OUTS;
}

/* With a SIB byte, mod 0 and base 5 there is no base; Zydis 4.0 overlooks that under 67 and REX.B. */
static bool has_no_base(const struct zydis *z)
{
    return (z->in.attributes & ZYDIS_ATTRIB_HAS_SIB) && z->in.raw.modrm.mod == 0 && z->in.raw.sib.base == 5;
}

static const char *compare_memory(const struct instruction *in, const struct zydis *z,
                                  const ZydisDecodedOperand *operand)
{
    static const ZydisRegister segments[] = {ZYDIS_REGISTER_ES, ZYDIS_REGISTER_CS, ZYDIS_REGISTER_SS,
                                             ZYDIS_REGISTER_DS, ZYDIS_REGISTER_FS, ZYDIS_REGISTER_GS};
    const ZydisDecodedOperandMem *memory = &operand->mem;
    uint64_t mask = size_mask(in->address_size);
    const struct operand *ours = in->to.kind == OPERAND_MEMORY ? &in->to : &in->from;
    bool movsxd_16 = in->operation == OP_MOVSX && in->opcode == 0x63 && in->operand_size == 2;

    if (ours->kind != OPERAND_MEMORY)
        return "no memory operand seen";
    /* The SDM has MOVSXD r16, r/m16; Zydis 4.0 reads four bytes. A flushed line has its own size, and so have
     * a table's pseudo-descriptor and the area of XSAVE. */
    if (operand->size != 8u * (ours->size + (in->operation == OP_JUMP_FAR || in->operation == OP_CALL_FAR ||
                                                     in->operation == OP_LOAD_FAR
                                                 ? 2u
                                                 : 0)) &&
        in->operation != OP_FLUSH && in->operation != OP_LOAD_TABLE && in->operation != OP_STORE_TABLE &&
        !movsxd_16 && !(in->form && in->form->flags & FORM_AREA))
        return "memory operand size";
    if (memory->segment != segments[in->segment])
        return "segment";
    if ((has_no_base(z) ? NO_REGISTER : register_number(memory->base)) != in->base)
        return "base";
    if (register_number(memory->index) != in->index)
        return "index";
    if (in->index != NO_REGISTER && memory->scale != 1u << in->scale)
        return "scale";
    if ((((uint64_t)z->in.raw.disp.value ^ (uint64_t)in->displacement) & mask) != 0)
        return "displacement";
    return NULL;
}

static const char *compare_string(const struct instruction *in, const struct zydis *z)
{
    for (unsigned i = 0; i < z->in.operand_count; i++) {
        const ZydisDecodedOperand *operand = &z->operands[i];
        if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (register_number(operand->mem.base) == REG_RSI &&
            operand->mem.segment != (ZydisRegister)(ZYDIS_REGISTER_ES + in->segment))
            return "string source segment";
        if (operand->size != 8u * in->operand_size)
            return "string element size";
    }
    return NULL;
}

static const char *compare_immediate(const struct instruction *in, const struct zydis *z)
{
    for (unsigned i = 0; i < z->in.operand_count_visible; i++) {
        const ZydisDecodedOperand *operand = &z->operands[i];
        if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && in->operation != OP_ENTER &&
            ((operand->imm.value.u ^ in->immediate) &
             size_mask(operand->imm.is_signed ? in->operand_size : 1)))
            return "immediate";
    }
    return NULL;
}

/* SLDT, LAR, ARPL and their like. */
static bool is_of_descriptors(const struct instruction *in)
{
    return (in->operation >= OP_LOAD_SYSTEM && in->operation <= OP_STORE_SYSTEM) ||
           (in->operation >= OP_VERIFY_READ && in->operation <= OP_ADJUST_LEVEL);
}

static const char *compare_registers(const struct instruction *in, const struct zydis *z)
{
    const struct operand *operands[] = {&in->to, &in->from};

    for (unsigned i = 0; i < 2 && !is_string(in); i++) {
        ZydisRegister reg = z->operands[i].reg.value;
        unsigned id = ZydisRegisterGetId(reg);
        bool high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
        const struct operand *ours = operands[in->to.kind == OPERAND_NONE ? 1 - i : i];

        if (i >= z->in.operand_count_visible || z->operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_SEGMENT) {
            if (ours->kind != OPERAND_SEGMENT || ours->index != id)
                return "segment register operand";
        } else if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_CONTROL ||
                   ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_DEBUG) {
            if (ours->kind != OPERAND_CONTROL || ours->index != id)
                return "control or debug register operand";
        } else if (ours->kind != (high ? OPERAND_HIGH_BYTE : OPERAND_REGISTER)) {
            return "kind of register operand";
        } else if (ours->index != (high ? (unsigned)(reg - ZYDIS_REGISTER_AH)
                                   : ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8 && id >= 8 ? id - 4
                                                                                                  : id)) {
            return "number of register operand";
        } else if (8u * ours->size != z->operands[i].size && in->operation != OP_LOAD_SEGMENT &&
                   !(is_of_descriptors(in) && ours == &in->from)) {
            return "size of register operand";
        }
    }
    return NULL;
}

static const char *compare(const struct instruction *in, const struct zydis *z)
{
    const ZydisDecodedOperand *memory = memory_of(z);
    const char *difference;

    if (in->operation == OP_RUN && (!ZYAN_SUCCESS(z->status) || !memory))
        return NULL; /* a combination of W and L that is reserved: the CPU raises #UD */
    if (!ZYAN_SUCCESS(z->status))
        return "claimed, but invalid";
    if (in->operation != OP_RUN && !has_mnemonic(in->operation, z->in.mnemonic))
        return "mnemonic";
    if (in->length != z->in.length)
        return "length";
    if (in->operation == OP_RUN)
        return compare_memory(in, z, memory);
    if (in->operation == OP_LEAVES || in->operation == OP_CLEAR_LINE ||
        (in->operation == OP_LOAD_SYSTEM && !memory))
        return NULL;
    if (8u * in->address_size != z->in.address_width)
        return "address size";
    if (in->operation != OP_CMPXCHG8B && in->operation != OP_LOAD_SEGMENT && in->operation != OP_FLUSH &&
        in->operation != OP_MOV && in->operation != OP_TRANSLATE && in->operation != OP_LOAD_SYSTEM &&
        in->operation != OP_MOV_CONTROL && in->operation != OP_MOV_DEBUG && in->operation != OP_INS &&
        in->operation != OP_OUTS && 8u * in->operand_size != z->in.operand_width)
        return "operand size";
    if (in->lock != !!(z->in.attributes & ZYDIS_ATTRIB_HAS_LOCK))
        return "lock";
    if (is_string(in))
        return compare_string(in, z);
    if (memory && (difference = compare_memory(in, z, memory)))
        return difference;
    if (!memory && in->operation != OP_TRANSLATE &&
        (in->to.kind == OPERAND_MEMORY || in->from.kind == OPERAND_MEMORY))
        return "memory operand where there is none";
    difference = compare_immediate(in, z);
    return difference ? difference : compare_registers(in, z);
}

/* What Zydis decodes as one of our instructions must be claimed, these encodings apart. */
static bool may_be_unknown(const struct zydis *z)
{
    if (z->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        z->in.mnemonic == ZYDIS_MNEMONIC_JMP) /* near ones */
        return true;
    for (unsigned i = 0; i < z->in.raw.prefix_count; i++)
        if ((z->in.raw.prefixes[i].value & 0xfe) == 0xf2 &&
            (z->in.mnemonic == ZYDIS_MNEMONIC_BSF || z->in.mnemonic == ZYDIS_MNEMONIC_BSR))
            return true; /* near to TZCNT and LZCNT */
    for (unsigned i = 0; i < z->in.operand_count; i++) {
        ZydisRegisterClass class = ZydisRegisterGetClass(z->operands[i].reg.value);

        if (z->operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_MMX) &&
            (!memory_of(z) || z->in.mnemonic == ZYDIS_MNEMONIC_CMPSD))
            return true; /* between registers; CMPSD of SSE2 */
    }
    if (z->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && z->in.opcode >= 0x90 && z->in.opcode <= 0x97)
        return true; /* XCHG of registers */
    return z->in.opcode_map == ZYDIS_OPCODE_MAP_0F && z->in.opcode >= 0x20 && z->in.opcode <= 0x23;
}

/* LOCK MOV CR0, which AMD's processors take for CR8: Zydis does not know of it. */
static bool is_alternative_cr8(const struct instruction *in, const uint8_t *bytes)
{
    const struct operand *control = in->to.kind == OPERAND_CONTROL ? &in->to : &in->from;

    return in->operation == OP_MOV_CONTROL && control->index == 8 && !in->lock &&
           memchr(bytes, 0xf0, in->length - 3u);
}

static void check_stream(const uint8_t *bytes, unsigned mode)
{
    struct instruction in;
    struct zydis z;
    enum decode_result result = decode(bytes, 15, widths[mode], &in);
    const char *difference = NULL;

    memset(&z, 0, sizeof(z));
    z.status = ZydisDecoderDecodeFull(&decoders[mode], bytes, 15, &z.in, z.operands);
    if (result == DECODE_OK && is_alternative_cr8(&in, bytes))
        difference = ZYAN_SUCCESS(z.status) ? "valid without LOCK" : NULL;
    else if (result == DECODE_OK && mode == 0 && !ZYAN_SUCCESS(z.status) && is_of_descriptors(&in))
        difference = NULL; /* which real mode does not have and 16-bit protected mode does */
    else if (result == DECODE_OK)
        difference = compare(&in, &z);
    else if (ZYAN_SUCCESS(z.status) && result == DECODE_INVALID &&
             z.in.encoding != ZYDIS_INSTRUCTION_ENCODING_MVEX)
        difference = "called invalid";
    else if (ZYAN_SUCCESS(z.status) && result == DECODE_MORE)
        difference = "called too long";
    else if (ZYAN_SUCCESS(z.status) && !may_be_unknown(&z))
        for (unsigned i = 1; i < OP_COUNT && !difference; i++)
            if (has_mnemonic(i, z.in.mnemonic))
                difference = "not known";
    if (difference)
        disagree(difference, bytes, widths[mode], &z);
}

/* Some prefixes, then an opcode: half of the time of the 0F map. */
static void make_stream(uint8_t *bytes)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e,
                                       0x64, 0x65, 0x40, 0x48, 0x41, 0x44, 0x4f, 0x42, 0x45};
    unsigned at = 0, count = random_bits() % 8;

    for (unsigned i = 0; i < 15; i++)
        bytes[i] = random_bits() >> 24;
    for (unsigned i = 4; i < count; i++)
        bytes[at++] = prefixes[random_bits() % sizeof(prefixes)];
    if (random_bits() % 64 == 0)
        while (at < 8 + random_bits() % 7)
            bytes[at++] = prefixes[random_bits() % sizeof(prefixes)];
    if (random_bits() & 1)
        bytes[at++] = 0x0f;
    if (random_bits() % 64 == 0) {
        bytes[at++] = 0x38;
        bytes[at] = 0xf0 | (random_bits() & 1);
    }
}

static void random_streams(unsigned mode)
{
    uint8_t bytes[32];

    for (unsigned i = 0; i < STREAMS; i++) {
        make_stream(bytes);
        check_stream(bytes, mode);
    }
}

static void random_16_bit_streams_mean_what_zydis_says(void **state)
{
    (void)state;
    random_streams(0);
}

static void random_32_bit_streams_mean_what_zydis_says(void **state)
{
    (void)state;
    random_streams(1);
}

static void random_64_bit_streams_mean_what_zydis_says(void **state)
{
    (void)state;
    random_streams(2);
}

static void a_truncated_instruction_asks_for_more(void **state)
{
    /* lock add qword gs:[rax + r9*4 + 0x11223344], 0x55667788 */
    static const uint8_t bytes[] = {0x65, 0xf0, 0x4a, 0x81, 0x84, 0x88, 0x44,
                                    0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55};
    struct instruction in;

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i++)
        assert_int_equal(decode(bytes, i, 64, &in), DECODE_MORE);
    assert_int_equal(decode(bytes, sizeof(bytes), 64, &in), DECODE_OK);
    assert_int_equal(in.length, sizeof(bytes));
    assert_int_equal(in.immediate, 0x55667788);
}

static void sixteen_bytes_are_too_long_however_many_are_given(void **state)
{
    uint8_t bytes[16];
    struct instruction in;

    (void)state;
    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x8b, bytes[15] = 0x00;
    assert_int_equal(decode(bytes, 16, 32, &in), DECODE_MORE);
    bytes[13] = 0x8b, bytes[14] = 0x00;
    assert_int_equal(decode(bytes, 16, 32, &in), DECODE_OK);
    assert_int_equal(in.length, 15);
}

static void lock_is_refused_where_silicon_refuses_it(void **state)
{
    static const uint8_t mov[] = {0xf0, 0x89, 0x00}, to_register[] = {0xf0, 0x01, 0xc0},
                         cmp[] = {0xf0, 0x39, 0x00}, add[] = {0xf0, 0x01, 0x00};
    struct instruction in;

    (void)state;
    assert_int_equal(decode(mov, 3, 64, &in), DECODE_INVALID);
    assert_int_equal(decode(to_register, 3, 64, &in), DECODE_INVALID);
    assert_int_equal(decode(cmp, 3, 64, &in), DECODE_INVALID);
    assert_int_equal(decode(add, 3, 64, &in), DECODE_OK);
    assert_true(in.lock);
}

static void lock_makes_cr0_cr8(void **state)
{
    static const uint8_t to[] = {0xf0, 0x0f, 0x22, 0xc3}, from[] = {0xf0, 0x0f, 0x20, 0xc3},
                         cr4[] = {0xf0, 0x0f, 0x22, 0xe3}, cr8[] = {0xf0, 0x44, 0x0f, 0x22, 0xc3};
    struct instruction in;

    (void)state;
    assert_int_equal(decode(to, 4, 32, &in), DECODE_OK);
    assert_int_equal(in.to.kind, OPERAND_CONTROL);
    assert_int_equal(in.to.index, 8);
    assert_int_equal(in.from.index, REG_RBX);
    assert_int_equal(in.length, 4);
    assert_int_equal(decode(from, 4, 16, &in), DECODE_OK);
    assert_int_equal(in.from.index, 8);
    assert_int_equal(decode(cr4, 4, 32, &in), DECODE_INVALID);
    assert_int_equal(decode(cr8, 5, 64, &in), DECODE_INVALID);
}

static void what_has_no_memory_operand_is_unknown_outside_the_integer_core(void **state)
{
    static const uint8_t streams[][6] = {{0x0f, 0x12, 0xc0},
                                         {0xc5, 0xf8, 0x10, 0xc0},
                                         {0x62, 0xf1, 0x7c, 0x48, 0x10, 0xc0},
                                         {0xd9, 0xc0},
                                         {0x0f, 0x77}};
    struct instruction in;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(streams); i++)
        assert_int_equal(decode(streams[i], 6, 64, &in), DECODE_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(random_16_bit_streams_mean_what_zydis_says, setup),
        cmocka_unit_test_setup(random_32_bit_streams_mean_what_zydis_says, setup),
        cmocka_unit_test_setup(random_64_bit_streams_mean_what_zydis_says, setup),
        cmocka_unit_test(a_truncated_instruction_asks_for_more),
        cmocka_unit_test(sixteen_bytes_are_too_long_however_many_are_given),
        cmocka_unit_test(lock_is_refused_where_silicon_refuses_it),
        cmocka_unit_test(lock_makes_cr0_cr8),
        cmocka_unit_test(what_has_no_memory_operand_is_unknown_outside_the_integer_core),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
