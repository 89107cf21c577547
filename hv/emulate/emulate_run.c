/*
 * Instructions outside the integer core (hv/decode/decode_forms.h). What they work on is in the CPU as the
 * guest left it, so the CPU executes them: the memory operand is copied, the instruction is encoded anew with
 * the copy as its operand, and executed with the guest's general registers; what it has stored then goes
 * where the guest meant it to. Only what the tables name is executed, in an encoding that is made here.
 */
#include "hv/emulate/emulate_run.h"
#include "hv/host/stub.h"
#include "hv/lib/string.h"
#include "hv/vm/vm.h"

/* As many bits as there are elements, 64 at most. */
#define BIT_RANGE(count) (UINT64_MAX >> (64 - (count)))

/* SDM, "Alignment of Vector Operands in Memory": those that ask for it. */
static bool is_aligned(struct emulation *e)
{
    uint64_t address = effective_address(e);
    const struct instruction *in = e->in;
    unsigned size = in->form->flags & FORM_STORES ? in->to.size : in->from.size;

    if (e->mode != CODE_64 || in->segment == SEG_FS || in->segment == SEG_GS)
        address += vcpu_get_segment(e->vcpu, in->segment).base;
    if (!(in->form->flags & FORM_ALIGNED) || !(address & (size - 1)))
        return true;
    e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
    return false;
}

static enum outcome run_whole(struct emulation *e)
{
    const struct instruction *in = e->in;
    bool stores = in->form->flags & FORM_STORES;
    unsigned size = stores ? in->to.size : in->from.size;
    struct span span;

    if (!operand_find(e, size, 0, stores ? ACCESS_WRITE : ACCESS_READ, &span))
        return OUTCOME_FAULT;
    if (!stores)
        span_read(e->vcpu, &span, stub_operand());
    if (!run_instruction(e, in))
        return OUTCOME_FAULT;
    if (in->form->state == STATE_X87)
        run_note_x87(e);
    if (stores)
        span_write(e->vcpu, &span, stub_operand());
    return OUTCOME_NEXT;
}

/*
 * Elements of which some are not touched: those that are not are neither read nor written, and raise no
 * fault.
 */
static enum outcome run_elements(struct emulation *e, uint64_t elements, unsigned lane)
{
    const struct instruction *in = e->in;
    bool stores = in->form->flags & FORM_STORES;
    struct span spans[64];
    uint8_t *copy = stub_operand();

    for (unsigned i = 0; i < 64; i++)
        if (elements >> i & 1 &&
            !operand_find(e, lane, i * lane, stores ? ACCESS_WRITE : ACCESS_READ, &spans[i]))
            return OUTCOME_FAULT;
    for (unsigned i = 0; i < 64 && !stores; i++)
        if (elements >> i & 1)
            span_read(e->vcpu, &spans[i], copy + i * lane);
    if (!run_instruction(e, in))
        return OUTCOME_FAULT;
    for (unsigned i = 0; i < 64 && stores; i++)
        if (elements >> i & 1)
            span_write(e->vcpu, &spans[i], copy + i * lane);
    return OUTCOME_NEXT;
}

/* Bits of the mask for elements that there are. SDM, "Opmask Register to Predicate Vector Data Processing".
 */
static uint64_t elements_of(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned size = in->form->flags & FORM_ANY ? 16u << in->vector_length
                                               : form_size(in->form, in->vector_length, in->w, 0);

    return run_mask(e) & BIT_RANGE(size / form_lane(in->form, in->w));
}

/* As many of the lowest elements as `elements` has. */
static uint64_t packed(uint64_t elements)
{
    uint64_t lowest = 0;

    for (; elements; elements &= elements - 1)
        lowest = lowest << 1 | 1;
    return lowest;
}

static enum outcome run_masked(struct emulation *e, uint64_t elements)
{
    const struct instruction *in = e->in;
    unsigned lane = form_lane(in->form, in->w);

    if (!elements)
        return run_instruction(e, in) ? OUTCOME_NEXT : OUTCOME_FAULT;
    if (!is_aligned(e))
        return OUTCOME_FAULT;
    if (in->broadcast || in->form->flags & FORM_ANY)
        return run_whole(e);
    if (in->form->flags & FORM_PACKED)
        elements = packed(elements);
    return run_elements(e, elements, lane);
}

enum outcome execute_run(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned flags = in->form->flags;

    if (in->form->state >= STATE_XSAVE)
        run_take_xcr0(e);
    if (!state_usable(e, in->form->state) || !run_waits(e))
        return OUTCOME_FAULT;
    if (flags & FORM_VSIB)
        return run_gather(e);
    if (flags & FORM_AT_RDI)
        return run_masked_store(e);
    if (flags & FORM_AT_RM)
        return execute_flush(e);
    if (flags & FORM_BY_VECTOR)
        return run_elements(e, run_vector_mask(e), form_lane(in->form, in->w));
    if (in->mask && flags & (FORM_MASKED | FORM_PACKED | FORM_ANY))
        return run_masked(e, elements_of(e));
    if (!is_aligned(e))
        return OUTCOME_FAULT;
    return flags & FORM_AREA ? run_area(e) : run_whole(e);
}
