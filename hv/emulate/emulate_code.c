/*
 * The CPU executes an instruction for the guest: it is encoded anew with a copy as its memory operand, and
 * run with the general registers and the state of x87 and vectors that the guest left.
 */
#include "hv/emulate/emulate_run.h"
#include "hv/host/stub.h"
#include "hv/host/witness.h"
#include "hv/lib/string.h"

#define REX(w, r)         (0x40 | (w) << 3 | (r) << 2)
#define RIP_RELATIVE(reg) (((reg)&7) << 3 | 5) /* ModRM: mod 0, rm 5 */
#define FLAGS_RUN         (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* What is executed, byte for byte. */
struct code {
    uint8_t bytes[STUB_CODE_MOST];
    unsigned length;
};

static void put(struct code *code, unsigned byte)
{
    code->bytes[code->length++] = (uint8_t)byte;
}

static void put_legacy(struct code *code, const struct instruction *in)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    unsigned prefix = in->form->which & 3;
    bool narrow = in->form->flags & FORM_OPERAND && in->operand_size == 2;
    bool short_state = (in->form->size == S_ENV || in->form->size == S_STATE) && in->operand_size == 2;

    if (narrow || short_state)
        put(code, 0x66);
    if (prefix)
        put(code, prefixes[prefix]);
    if (in->w || in->reg >= 8)
        put(code, REX(in->w, in->reg >> 3 & 1));
    if (in->space != SPACE_X87)
        put(code, 0x0f);
    if (in->space == SPACE_0F38 || in->space == SPACE_0F3A)
        put(code, in->space == SPACE_0F38 ? 0x38 : 0x3a);
}

static void put_vex(struct code *code, const struct instruction *in, unsigned first, unsigned map)
{
    put(code, first);
    put(code, (in->reg & 8 ? 0 : 0x80) | 0x60 | map);
    put(code, in->w << 7 | (~in->vector & 15) << 3 | in->vector_length << 2 | (in->form->which & 3));
}

static void put_evex(struct code *code, const struct instruction *in)
{
    put(code, 0x62);
    put(code, (in->reg & 8 ? 0 : 0x80) | 0x60 | (in->reg & 16 ? 0 : 0x10) | (in->space - SPACE_EVEX));
    put(code, in->w << 7 | (~in->vector & 15) << 3 | 4 | (in->form->which & 3));
    put(code,
        in->zeroes << 7 | in->vector_length << 5 | in->broadcast << 4 | (in->vector & 16 ? 0 : 8) | in->mask);
}

/* The instruction with `at` of the copy as its operand; the immediate is the guest's, its last bytes. */
static void encode(struct code *code, const struct instruction *in, const uint8_t *guests, unsigned at)
{
    unsigned immediate = in->form->flags & FORM_IMM_8 ? 1 : in->form->flags & FORM_IMM_32 ? 4 : 0;
    int32_t distance;

    code->length = 0;
    if (in->space < SPACE_VEX)
        put_legacy(code, in);
    else if (in->space < SPACE_EVEX)
        put_vex(code, in, 0xc4, in->space - SPACE_VEX);
    else if (in->space < SPACE_XOP)
        put_evex(code, in);
    else
        put_vex(code, in, 0x8f, in->space - SPACE_XOP);
    put(code, in->opcode);
    put(code, RIP_RELATIVE(in->reg));
    distance = stub_distance(code->length + 4 + immediate) + (int32_t)at;
    memcpy(code->bytes + code->length, &distance, 4);
    code->length += 4;
    memcpy(code->bytes + code->length, guests + in->length - immediate, immediate);
    code->length += immediate;
}

/* RSP is Keel's while it runs: where the instruction names it another register stands for it. */
static unsigned stand_in(struct instruction *in)
{
    bool by_reg = in->form->flags & FORM_GENERAL && in->reg == REG_RSP;
    bool by_vector = in->form->state == STATE_VEX && in->vector == REG_RSP;
    unsigned other = REG_R8;

    if (!by_reg && !by_vector)
        return REG_RSP;
    while (other == in->reg || other == in->vector)
        other++;
    if (by_reg)
        in->reg = other;
    if (by_vector)
        in->vector = other;
    return other;
}

/* An exception of SIMD floating point is #UD for who has not said to take it (SDM, "CR4.OSXMMEXCPT"). */
static bool take_fault(struct emulation *e, uint8_t vector)
{
    if (vector == EXC_NONE)
        return false;
    if (vector == EXC_XM && !(vcpu_get(e->vcpu, REG_CR4) & CR4_OSXMMEXCPT))
        vector = EXC_UD;
    e->fault = (struct fault){.vector = vector,
                              .has_error = vector == EXC_GP || vector == EXC_SS || vector == EXC_AC};
    return true;
}

uint8_t run_code(const uint8_t *code, unsigned length, struct stub_registers *registers, unsigned at,
                 unsigned stored)
{
    uint8_t vector = (uint8_t)witness_value(stub_run(code, length, registers)), *copy = stub_operand() + at;

    for (unsigned i = 0; i < ARRAY_LENGTH(registers->general); i++)
        registers->general[i] = witness_value(registers->general[i]);
    registers->flags = witness_value(registers->flags);
    for (unsigned i = 0; i < stored; i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, copy + i, sizeof(word));
        word = witness_value(word);
        memcpy(copy + i, &word, sizeof(word));
    }
    return vector;
}

bool run_instruction(struct emulation *e, const struct instruction *in)
{
    bool stores = in->form->flags & FORM_STORES;

    return run_instruction_at(e, in, 0,
                              stores ? form_size(in->form, in->vector_length, in->w, in->operand_size) : 0);
}

bool run_instruction_at(struct emulation *e, const struct instruction *guests, unsigned at, unsigned stored)
{
    struct instruction in = *guests;
    unsigned other = stand_in(&in);
    struct stub_registers registers;
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS), *gpr = e->vcpu->arch.gpr;
    struct code code;
    uint64_t kept;

    encode(&code, &in, e->bytes, at);
    memcpy(registers.general, gpr, sizeof(registers.general));
    kept = registers.general[other];
    if (other != REG_RSP)
        registers.general[other] = vcpu_get(e->vcpu, REG_RSP);
    registers.flags = (flags & FLAGS_RUN) | RFLAGS_1;
    if (take_fault(e, run_code(code.bytes, code.length, &registers, at, stored)))
        return false;
    if (other != REG_RSP) {
        vcpu_set(e->vcpu, REG_RSP, registers.general[other]);
        registers.general[other] = kept;
    }
    registers.general[REG_RSP] = gpr[REG_RSP];
    memcpy(gpr, registers.general, sizeof(registers.general));
    if ((registers.flags ^ flags) & FLAGS_RUN)
        vcpu_set(e->vcpu, REG_RFLAGS, (flags & ~FLAGS_RUN) | (registers.flags & FLAGS_RUN));
    return true;
}
