/* String instructions: element by element, with one translation for each run of elements in a page. */
#include "hv/emulate/emulation.h"
#include "hv/vm/vm.h"
#include "hv/walk/breakpoint.h"
#include "hv/walk/io_permission.h"

/* A REP does this many elements at most in one exit, so that interrupts come in between. */
#define REP_BATCH 512

struct string {
    struct emulation *e;
    unsigned size; /* of an element */
    uint64_t mask; /* of the address size */
    int64_t step;
    uint64_t flags;
    uint64_t source, target; /* offsets */
    uint64_t accumulator;
    uint16_t port;
    bool finished; /* REPE or REPNE ended the loop */
};

/* Elements from `offset` on, within `most`, that lie in the same page as the first; 1 if the first crosses
 * it. */
static unsigned run_length(const struct string *s, uint64_t offset, gva_t gva, unsigned most)
{
    uint64_t at = gva & PAGE_MASK, room;

    if (at + s->size > PAGE_SIZE)
        return 1;
    if (s->step > 0)
        room = MIN((PAGE_SIZE - at) / s->size, (s->mask - offset) / s->size);
    else
        room = MIN(at / s->size + 1, offset / s->size + 1);
    return MAX(MIN(room, most), 1);
}

/*
 * Finds a run of up to *count elements at segment:offset, at least one, and shortens *count to it. Where the
 * whole run would break the segment's limit, the run is one element.
 */
static bool find_run(struct string *s, enum vcpu_segment segment, uint64_t offset, unsigned access,
                     unsigned *count, struct span *span)
{
    struct emulation *e = s->e;
    struct fault unused;
    gva_t gva, first;
    unsigned run;
    uint64_t lowest;

    if (!linear_address(e->vcpu, e->mode, segment, offset, s->size, access & ACCESS_WRITE, &gva, &e->fault) ||
        !linear_aligned(e->vcpu, gva, s->size, &e->fault))
        return false;
    run = run_length(s, offset, gva, *count);
    lowest = s->step > 0 ? offset : offset - (run - 1) * s->size;
    if (run > 1 && !linear_address(e->vcpu, e->mode, segment, lowest, run * s->size, access & ACCESS_WRITE,
                                   &first, &unused))
        run = 1;
    *count = run;
    watch_data(e, gva, s->size, access);
    return span_find(e->vcpu, gva, s->size, access, span, &e->fault);
}

/* CMPS and SCAS compare as CMP does. */
static void compare(struct string *s, uint64_t a, uint64_t b)
{
    const struct instruction *in = s->e->in;
    struct alu alu = {.a = a, .b = b, .flags = s->flags, .size = s->size};

    alu_sub(&alu);
    s->flags = alu.flags;
    if ((in->rep && !(s->flags & RFLAGS_ZF)) || (in->repne && (s->flags & RFLAGS_ZF)))
        s->finished = true;
}

typedef void element_function(struct string *s, const struct span *source, const struct span *target);

static void movs(struct string *s, const struct span *source, const struct span *target)
{
    span_set_value(s->e, target, span_value(s->e, source));
}

static void stos(struct string *s, const struct span *source, const struct span *target)
{
    (void)source;
    span_set_value(s->e, target, s->accumulator);
}

static void lods(struct string *s, const struct span *source, const struct span *target)
{
    (void)target;
    s->accumulator = span_value(s->e, source);
}

static void cmps(struct string *s, const struct span *source, const struct span *target)
{
    uint64_t a = span_value(s->e, source);

    compare(s, a, span_value(s->e, target));
}

static void scas(struct string *s, const struct span *source, const struct span *target)
{
    (void)source;
    compare(s, s->accumulator, span_value(s->e, target));
}

static void ins(struct string *s, const struct span *source, const struct span *target)
{
    uint64_t value;

    (void)source;
    bus_read_exit(&s->e->vcpu->vm->ports, s->port, s->size, &value, &s->e->vcpu->stat_at);
    span_set_value(s->e, target, value);
}

static void outs(struct string *s, const struct span *source, const struct span *target)
{
    (void)target;
    bus_write_exit(&s->e->vcpu->vm->ports, s->port, s->size, span_value(s->e, source), &s->e->vcpu->stat_at);
}

static const struct string_row {
    element_function *element;
    bool source, target;
    unsigned target_access;
} string_rows[] = {
    [OP_MOVS - OP_MOVS] = {movs, true, true, ACCESS_WRITE},
    [OP_CMPS - OP_MOVS] = {cmps, true, true, ACCESS_READ},
    [OP_STOS - OP_MOVS] = {stos, false, true, ACCESS_WRITE},
    [OP_LODS - OP_MOVS] = {lods, true, false, 0},
    [OP_SCAS - OP_MOVS] = {scas, false, true, ACCESS_READ},
    [OP_INS - OP_MOVS] = {ins, false, true, ACCESS_WRITE},
    [OP_OUTS - OP_MOVS] = {outs, true, false, 0},
};

/* Does up to `most` elements that lie in one page each side; returns how many, 0 with the fault. */
static unsigned do_run(struct string *s, const struct string_row *row, unsigned most)
{
    struct vcpu *vcpu = s->e->vcpu;
    struct span source = {0}, target = {0};
    unsigned done = 0;

    if (row->source && !find_run(s, s->e->in->segment, s->source, ACCESS_READ, &most, &source))
        return 0;
    if (row->target && !find_run(s, SEG_ES, s->target, row->target_access, &most, &target))
        return 0;
    do {
        row->element(s, &source, &target);
        source.gpa[0] += s->step, target.gpa[0] += s->step;
        s->source = (s->source + s->step) & s->mask, s->target = (s->target + s->step) & s->mask;
        done++;
    } while (done < most && !s->finished && !__atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED));
    return done;
}

/* What the elements done so far have changed in registers. */
static void commit(struct string *s, const struct string_row *row, uint64_t count)
{
    const struct instruction *in = s->e->in;
    struct vcpu *vcpu = s->e->vcpu;

    if (row->source)
        register_set(vcpu, REG_RSI, in->address_size, s->source);
    if (row->target)
        register_set(vcpu, REG_RDI, in->address_size, s->target);
    if (in->operation == OP_LODS)
        register_set(vcpu, REG_RAX, s->size, s->accumulator);
    if (in->operation == OP_CMPS || in->operation == OP_SCAS)
        vcpu_set(vcpu, REG_RFLAGS, s->flags);
    if (in->rep || in->repne)
        register_set(vcpu, REG_RCX, in->address_size, count);
}

enum outcome execute_string(struct emulation *e)
{
    const struct instruction *in = e->in;
    const struct string_row *row = &string_rows[in->operation - OP_MOVS];
    bool repeated = in->rep || in->repne;
    struct string s = {.e = e, .size = in->operand_size, .mask = size_mask(in->address_size)};
    uint64_t count = repeated ? register_get(e->vcpu, REG_RCX, in->address_size) : 1;
    unsigned batch, done = 0, run;

    if (count == 0)
        return OUTCOME_NEXT;
    s.flags = vcpu_get(e->vcpu, REG_RFLAGS);
    s.step = s.flags & RFLAGS_DF ? -(int64_t)s.size : (int64_t)s.size;
    s.source = register_get(e->vcpu, REG_RSI, in->address_size);
    s.target = register_get(e->vcpu, REG_RDI, in->address_size);
    s.accumulator = register_get(e->vcpu, REG_RAX, s.size);
    s.port = e->vcpu->arch.gpr[REG_RDX];
    batch = s.flags & RFLAGS_TF || e->dr7 ? 1 : MIN(count, REP_BATCH); /* a trap comes behind its element */
    do {
        run = do_run(&s, row, batch - done);
        done += run;
    } while (run && done < batch && !s.finished && !__atomic_load_n(&e->vcpu->requests, __ATOMIC_RELAXED));
    if (done)
        commit(&s, row, count - done);
    if (!run)
        return OUTCOME_FAULT;
    return done == count || s.finished ? OUTCOME_NEXT : OUTCOME_STAY;
}

enum outcome execute_string_io(struct emulation *e)
{
    uint16_t port = (uint16_t)e->vcpu->arch.gpr[REG_RDX];

    if (!io_permitted(e->vcpu, port, e->in->operand_size, &e->fault))
        return OUTCOME_FAULT;
    if (unlikely(e->dr7))
        e->hits = port_breakpoints_hit(e->vcpu, e->dr7, port, e->in->operand_size);
    return execute_string(e);
}
