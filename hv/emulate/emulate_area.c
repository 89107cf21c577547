/*
 * FXSAVE, FXRSTOR and the XSAVE family: state in one piece. The CPU executes them on the copy. What it is to
 * read is read before, by the area's own header; what it has written is found by two runs on copies that were
 * filled differently: with the optimizations that these instructions may make, nobody but the CPU knows.
 */
#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/cpu/state_area.h"
#include "hv/emulate/emulate_run.h"
#include "hv/host/stub.h"
#include "hv/lib/string.h"

/*
 * Where in the copy's page areas are restored from and saved to. Not to the same place: XSAVEOPT and XSAVES
 * leave out what has not changed since it was restored from there (SDM, "The Init and Modified
 * Optimizations").
 */
#define RESTORE_AT   0
#define SAVE_AT      (STUB_OPERAND_MOST - AREA_MOST)

#define PARTS_MOST   16
#define CPUID_XSAVES BIT(3) /* 0DH, 1: EAX */

_Static_assert(SAVE_AT >= 64 && SAVE_AT % 64 == 0, "another address, as aligned");

/* A part of the guest's area, translated. */
struct place {
    gva_t gva;
    struct span span;
};

/* The area has an alignment of its own, which has been checked: #AC is for none of its parts. */
static bool find(struct emulation *e, struct area_part part, unsigned access, struct place *place)
{
    uint64_t address = (effective_address(e) + part.at) & size_mask(e->in->address_size);

    return linear_address(e->vcpu, e->mode, e->in->segment, address, part.size, access & ACCESS_WRITE,
                          &place->gva, &e->fault) &&
           span_find(e->vcpu, place->gva, part.size, access, &place->span, &e->fault);
}

/* `size` bytes, `skip` bytes behind its begin. */
static struct span within(const struct span *whole, unsigned skip, unsigned size)
{
    struct span span = {.gpa = {whole->gpa[0] + skip, whole->gpa[1]}, .size = (uint16_t)size};

    if (skip < whole->first) {
        span.first = (uint16_t)MIN(size, whole->first - skip);
    } else {
        span.gpa[0] = whole->gpa[1] + (skip - whole->first);
        span.first = (uint16_t)size;
    }
    return span;
}

static bool is_legacy(const struct instruction *in)
{
    return in->form->state == STATE_FXSR;
}

/* XSAVEC, XSAVES. Others keep the bits of XSTATE_BV that they are not asked for. */
static bool compacts(const struct instruction *in)
{
    return in->opcode == 0xc7;
}

struct written {
    uint8_t bits[AREA_MOST / 8];
};

static bool is_written(const struct written *written, unsigned at)
{
    return at < AREA_MOST && written->bits[at / 8] >> at % 8 & 1;
}

static void mark(struct written *written, struct area_part part, bool value)
{
    for (unsigned at = part.at; at < (unsigned)part.at + part.size; at++)
        written->bits[at / 8] = (uint8_t)((written->bits[at / 8] & ~BIT(at % 8)) | value << at % 8);
}

/* Runs the instruction on a copy full of `filling`, and marks what is no longer that. */
static bool save_over(struct emulation *e, uint8_t filling, const uint64_t *header, struct written *written)
{
    uint8_t *copy = stub_operand() + SAVE_AT;

    memset(copy, filling, AREA_MOST);
    if (header)
        memcpy(copy + AREA_HEADER, header, sizeof(*header));
    if (!run_instruction_at(e, e->in, SAVE_AT, AREA_MOST))
        return false;
    for (unsigned at = 0; at < AREA_MOST; at++)
        if (copy[at] != filling)
            mark(written, (struct area_part){(uint16_t)at, 1}, true);
    return true;
}

/* What 64-bit code alone saves. */
static void unmark_upper(struct emulation *e, struct written *written)
{
    struct area_part parts[AREA_UPPER_MOST];
    uint64_t xcomp = 0;
    unsigned count;

    if (e->mode == CODE_64)
        return;
    if (compacts(e->in))
        memcpy(&xcomp, stub_operand() + SAVE_AT + AREA_HEADER + sizeof(xcomp), sizeof(xcomp));
    count = area_upper(e->vcpu, xcomp, parts);
    for (unsigned i = 0; i < count; i++)
        mark(written, parts[i], false);
}

/* Everything that is marked, once all of it may be written. */
static enum outcome store(struct emulation *e, const struct written *written)
{
    struct area_part whole = {0};
    struct place place;
    unsigned last = AREA_MOST;

    while (last && !is_written(written, last - 1))
        last--;
    while (whole.at < last && !is_written(written, whole.at))
        whole.at++;
    whole.size = (uint16_t)(last - whole.at);
    if (!last || !find(e, whole, ACCESS_WRITE, &place))
        return last ? OUTCOME_FAULT : OUTCOME_NEXT;
    for (unsigned at = whole.at, end; at < last; at = end + 1) {
        struct span span;

        for (end = at; is_written(written, end);)
            end++;
        if (end == at)
            continue;
        span = within(&place.span, at - whole.at, end - at);
        watch_data(e, place.gva + (at - whole.at), end - at, ACCESS_WRITE);
        span_write(e->vcpu, &span, stub_operand() + SAVE_AT + at);
    }
    return OUTCOME_NEXT;
}

static enum outcome save(struct emulation *e)
{
    static const struct area_part bitmap = {AREA_HEADER, sizeof(uint64_t)};
    bool keeps = !is_legacy(e->in) && !compacts(e->in);
    struct written written = {0};
    uint64_t old = 0;
    struct place place;

    if (keeps) {
        if (!find(e, bitmap, ACCESS_WRITE, &place))
            return OUTCOME_FAULT;
        span_read(e->vcpu, &place.span, &old);
        mark(&written, bitmap, true);
    }
    if (!save_over(e, 0xff, keeps ? &old : NULL, &written) || !save_over(e, 0, keeps ? &old : NULL, &written))
        return OUTCOME_FAULT;
    unmark_upper(e, &written);
    return store(e, &written);
}

/* SDM, "Operation of XRSTOR", "Operation of XRSTORS": what they demand of the header. */
static bool is_valid(struct emulation *e, const uint64_t header[8])
{
    uint64_t may = e->vcpu->arch.xcr0 | (e->in->form->flags & FORM_SUPERVISOR ? e->vcpu->arch.native.xss : 0);
    uint64_t bitmap = header[0], xcomp = header[1], rest = header[2];

    if (!(xcomp & AREA_COMPACTED))
        return !(e->in->form->flags & FORM_SUPERVISOR) && !(bitmap & ~may) && !xcomp && !rest;
    for (unsigned i = 3; i < 8; i++)
        rest |= header[i];
    xcomp &= ~AREA_COMPACTED;
    return !(xcomp & ~may) && !(bitmap & ~xcomp) && !rest;
}

struct parts {
    struct area_part parts[PARTS_MOST];
    unsigned count;
};

static void add(struct parts *parts, unsigned at, unsigned size)
{
    if (parts->count < PARTS_MOST)
        parts->parts[parts->count++] = (struct area_part){(uint16_t)at, (uint16_t)size};
}

/* SDM, "Layout of the 64-bit-mode FXSAVE64 Map". */
static void add_legacy(struct emulation *e, struct parts *parts, bool x87, bool mxcsr, bool sse)
{
    if (x87) {
        add(parts, 0, 24);
        add(parts, 32, 128);
    }
    if (mxcsr)
        add(parts, 24, 8);
    if (sse)
        add(parts, 160, e->mode == CODE_64 ? 256 : 128);
}

/* What XRSTOR reads behind a header that is valid. */
static void add_components(struct emulation *e, struct parts *parts, const uint64_t header[8])
{
    uint64_t asked = (uint32_t)e->vcpu->arch.gpr[REG_RAX] | e->vcpu->arch.gpr[REG_RDX] << 32,
             there = asked & header[0];
    bool compacted = header[1] & AREA_COMPACTED, sse = there & BIT(COMPONENT_SSE);
    bool mxcsr = compacted ? sse : asked & (BIT(COMPONENT_SSE) | BIT(COMPONENT_AVX));
    struct area_part part;

    add_legacy(e, parts, there & BIT(COMPONENT_X87), mxcsr, sse);
    for (unsigned i = COMPONENT_AVX; i < 63; i++)
        if (there >> i & 1 && area_component(e->vcpu, i, header[1], &part))
            add(parts, part.at, part.size);
}

static bool read_parts(struct emulation *e, const struct parts *parts)
{
    struct place places[PARTS_MOST];

    for (unsigned i = 0; i < parts->count; i++)
        if (!find(e, parts->parts[i], ACCESS_READ, &places[i]))
            return false;
    for (unsigned i = 0; i < parts->count; i++) {
        watch_data(e, places[i].gva, parts->parts[i].size, ACCESS_READ);
        span_read(e->vcpu, &places[i].span, stub_operand() + RESTORE_AT + parts->parts[i].at);
    }
    return true;
}

static enum outcome restore(struct emulation *e)
{
    static const struct parts header = {{{AREA_HEADER, AREA_HEADER_SIZE}}, 1};
    uint8_t *copy = stub_operand() + RESTORE_AT;
    struct parts parts = {.count = 0};
    bool narrow = e->mode != CODE_64;

    memset(copy, 0, AREA_MOST);
    if (is_legacy(e->in)) {
        add_legacy(e, &parts, true, true, true);
    } else {
        uint64_t words[AREA_HEADER_SIZE / sizeof(uint64_t)];

        if (!read_parts(e, &header))
            return OUTCOME_FAULT;
        memcpy(words, copy + AREA_HEADER, sizeof(words));
        if (!is_valid(e, words))
            return emulation_fault(e, EXC_GP);
        add_components(e, &parts, words);
    }
    if (!read_parts(e, &parts))
        return OUTCOME_FAULT;
    if (narrow)
        native_keep(e->vcpu);
    if (!run_instruction_at(e, e->in, RESTORE_AT, 0))
        return OUTCOME_FAULT;
    if (narrow)
        native_return_upper(e->vcpu, copy);
    return OUTCOME_NEXT;
}

enum outcome run_area(struct emulation *e)
{
    unsigned flags = e->in->form->flags;

    if (flags & FORM_SUPERVISOR && !(cpuid_lookup(e->vcpu, 0xd, 1)->eax & CPUID_XSAVES))
        return emulation_fault(e, EXC_UD);
    if (flags & FORM_SUPERVISOR && vcpu_cpl(e->vcpu))
        return emulation_fault(e, EXC_GP);
    if (!is_legacy(e->in) && area_size(e->vcpu) > AREA_MOST)
        return OUTCOME_UNKNOWN;
    return flags & FORM_STORES ? save(e) : restore(e);
}
