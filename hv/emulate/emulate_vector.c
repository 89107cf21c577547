/*
 * Masks of vector instructions, and those that have an address for each element: gathers and scatters. Their
 * registers are read and written by moves that are run on the copy.
 */
#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate_run.h"
#include "hv/host/stub.h"
#include "hv/lib/string.h"

#define CPUID_AVX512BW BIT(30) /* 7:EBX */
#define VECTOR_MOST    64

/* A move between a register and the copy, of the table that has the opcode. */
static bool move(struct emulation *e, unsigned space, uint8_t opcode, unsigned prefix, unsigned reg,
                 unsigned length, bool w)
{
    struct instruction in = {.operation = OP_RUN,
                             .opcode = opcode,
                             .space = (uint8_t)space,
                             .reg = (uint8_t)reg,
                             .vector_length = (uint8_t)length,
                             .w = w,
                             .form = form_find(space, opcode, prefix, reg)};

    return run_instruction(e, &in);
}

static bool has_wide_masks(struct emulation *e)
{
    return cpuid_lookup(e->vcpu, 7, 0)->ebx & CPUID_AVX512BW;
}

/* KMOVQ, or KMOVW where masks have 16 bits. */
static bool move_mask(struct emulation *e, unsigned number, bool load)
{
    return move(e, SPACE_VEX + 1, load ? 0x90 : 0x91, P_NO, number, 0, has_wide_masks(e));
}

/* VMOVDQU or VMOVDQU32 of a whole register. */
static bool move_vector(struct emulation *e, unsigned number, bool load)
{
    unsigned space = e->in->form->state == STATE_AVX512 ? SPACE_EVEX + 1 : SPACE_VEX + 1;

    return move(e, space, load ? 0x6f : 0x7f, P_F3, number, e->in->vector_length, false);
}

uint64_t run_mask(struct emulation *e)
{
    uint64_t mask = 0;

    move_mask(e, e->in->mask, false);
    memcpy(&mask, stub_operand(), has_wide_masks(e) ? 8 : 2);
    return mask;
}

/* The sign of each element of vector register vvvv. */
uint64_t run_vector_mask(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned lane = form_lane(in->form, in->w), count = (16u << in->vector_length) / lane;
    uint64_t mask = 0;

    move_vector(e, in->vector, false);
    for (unsigned i = 0; i < count; i++)
        if (stub_operand()[(i + 1) * lane - 1] & 0x80)
            mask |= BIT(i);
    return mask;
}

void run_take_xcr0(struct emulation *e)
{
    native_take_xcr0(e->vcpu);
}

struct gather {
    unsigned lane, index_size, count;
    uint8_t data[VECTOR_MOST], indexes[VECTOR_MOST];
    uint64_t mask; /* of elements that are still to be done */
};

static void begin(struct emulation *e, struct gather *gather)
{
    const struct instruction *in = e->in;

    e->gpa = EMULATE_NO_GPA; /* the exit's is of one element */
    *gather = (struct gather){.lane = form_lane(in->form, in->w), .index_size = in->opcode & 1 ? 8 : 4};
    gather->count = (16u << in->vector_length) / MAX(gather->lane, gather->index_size);
    gather->mask = in->form->state == STATE_AVX512 ? run_mask(e) : run_vector_mask(e);
    gather->mask &= BIT(gather->count) - 1;
    move_vector(e, in->vector_index, false);
    memcpy(gather->indexes, stub_operand(), VECTOR_MOST);
    move_vector(e, in->reg, false);
    memcpy(gather->data, stub_operand(), VECTOR_MOST);
}

/* What has been done is kept, also where a later element faults: the mask says where to go on. */
static void end(struct emulation *e, const struct gather *gather)
{
    const struct instruction *in = e->in;
    uint8_t *copy = stub_operand();

    if (!(in->form->flags & FORM_STORES)) {
        memset(copy, 0, VECTOR_MOST);
        memcpy(copy, gather->data, gather->count * gather->lane);
        move_vector(e, in->reg, true);
    }
    memset(copy, 0, VECTOR_MOST);
    if (in->form->state == STATE_AVX512) {
        memcpy(copy, &gather->mask, sizeof(gather->mask));
        move_mask(e, in->mask, true);
    } else {
        for (unsigned i = 0; i < gather->count; i++)
            if (gather->mask >> i & 1)
                copy[(i + 1) * gather->lane - 1] = 0x80;
        move_vector(e, in->vector, true);
    }
}

static bool do_element(struct emulation *e, struct gather *gather, unsigned i)
{
    bool stores = e->in->form->flags & FORM_STORES;
    uint8_t *element = gather->data + i * gather->lane;
    uint64_t index = 0;
    struct span span;

    memcpy(&index, gather->indexes + i * gather->index_size, gather->index_size);
    index = (uint64_t)sign_extend(index, gather->index_size) << e->in->scale;
    if (!operand_find(e, gather->lane, index, stores ? ACCESS_WRITE : ACCESS_READ, &span))
        return false;
    if (stores)
        span_write(e->vcpu, &span, element);
    else
        span_read(e->vcpu, &span, element);
    gather->mask &= ~BIT(i);
    return true;
}

/* SDM, "VPGATHERDD", "VPSCATTERDD": in the order of the elements. */
enum outcome run_gather(struct emulation *e)
{
    struct gather gather;
    bool done = true;

    begin(e, &gather);
    for (unsigned i = 0; i < gather.count && done; i++)
        if (gather.mask >> i & 1)
            done = do_element(e, &gather, i);
    {
        struct fault fault = e->fault;

        end(e, &gather);
        e->fault = fault;
    }
    return done ? OUTCOME_NEXT : OUTCOME_FAULT;
}

/* The mask of MASKMOVQ, read so that the x87 state stays: MM registers are not numbered from the top of
 * stack. */
static void read_mmx(unsigned number, uint8_t *to)
{
    uint8_t image[512] __attribute__((aligned(16)));
    unsigned top;

    native_save_fpu(image, true);
    top = image[3] >> 3 & 7;
    memcpy(to, image + 32 + 16 * ((number - top) & 7), 8);
}

/* MASKMOVQ, MASKMOVDQU: the bytes of a register whose byte in the mask is negative, at rDI. */
enum outcome run_masked_store(struct emulation *e)
{
    const struct instruction *in = e->in;
    bool mmx = in->form->state == STATE_MMX;
    unsigned space = in->space, prefix = mmx ? P_NO : P_F3; /* MOVQ, MOVDQU, VMOVDQU */
    struct span spans[16];
    uint8_t mask[16] = {0};

    if (mmx) {
        read_mmx(in->vector_index & 7, mask);
    } else {
        move(e, space, 0x7f, prefix, in->vector_index, 0, false);
        memcpy(mask, stub_operand(), sizeof(mask));
    }
    for (unsigned i = 0; i < sizeof(mask); i++)
        if (mask[i] & 0x80 && !operand_find(e, 1, i, ACCESS_WRITE, &spans[i]))
            return OUTCOME_FAULT;
    move(e, space, 0x7f, prefix, mmx ? in->reg & 7 : in->reg, 0, false);
    for (unsigned i = 0; i < sizeof(mask); i++)
        if (mask[i] & 0x80)
            span_write(e->vcpu, &spans[i], stub_operand() + i);
    return OUTCOME_NEXT;
}
