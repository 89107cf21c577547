/*
 * Emulation of the instruction at RIP, and the cache of decoded ones. A remembered instruction is proved
 * still right at each use: the paging-structure entries that led to it and its bytes are compared with guest
 * memory as it is.
 */
#include "hv/vm/emulate.h"

#include "hv/lib/string.h"
#include "hv/vm/emulation.h"
#include "hv/vm/vm.h"

#define CACHE_ENTRIES 64
#define ENTRY_VALID   BIT(31) /* in `attributes`, where no segment has it */
#define CODE_WINDOW   16      /* bytes of code that are compared, two words */

typedef void fast_function(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa);

struct cached {
    uint64_t rip, cr3, cs_base;
    uint32_t attributes; /* of CS, and ENTRY_VALID */
    fast_function *fast; /* NULL: the general way */
    gpa_t not_fast;      /* bits of a guest-physical address that forbid the fast way */
    struct walk_path path;
    gpa_t code_gpa;      /* of the instruction's first byte */
    const uint8_t *code; /* in guest memory: CODE_WINDOW bytes that hold the instruction */
    uint64_t bytes[2], mask[2];
    bool trusted; /* the program runs at CPL 0 */
    uint8_t raw[INSTRUCTION_MOST], raw_length;
    struct instruction in;
};

struct decode_cache {
    struct cached entries[CACHE_ENTRIES];
    struct cached scratch; /* what cannot be remembered */
    uint8_t failed[INSTRUCTION_MOST];
    uint8_t failed_length;
};

/* clang-format off */
const struct operation_row operation_rows[OP_COUNT] = {
    [OP_ADD]          = {execute_modify, alu_add, true},
    [OP_OR]           = {execute_modify, alu_or, true},
    [OP_ADC]          = {execute_modify, alu_adc, true},
    [OP_SBB]          = {execute_modify, alu_sbb, true},
    [OP_AND]          = {execute_modify, alu_and, true},
    [OP_SUB]          = {execute_modify, alu_sub, true},
    [OP_XOR]          = {execute_modify, alu_xor, true},
    [OP_CMP]          = {execute_compare, alu_sub, true},
    [OP_ROL]          = {execute_modify, alu_rol, true},
    [OP_ROR]          = {execute_modify, alu_ror, true},
    [OP_RCL]          = {execute_modify, alu_rcl, true},
    [OP_RCR]          = {execute_modify, alu_rcr, true},
    [OP_SHL]          = {execute_modify, alu_shl, true},
    [OP_SHR]          = {execute_modify, alu_shr, true},
    [OP_SAR]          = {execute_modify, alu_sar, true},
    [OP_TEST]         = {execute_compare, alu_and, true},
    [OP_NOT]          = {execute_modify, alu_not, true},
    [OP_NEG]          = {execute_modify, alu_neg, true},
    [OP_INC]          = {execute_modify, alu_inc, true},
    [OP_DEC]          = {execute_modify, alu_dec, true},
    [OP_BT]           = {execute_bit, alu_bt, true},
    [OP_BTS]          = {execute_bit, alu_bts, true},
    [OP_BTR]          = {execute_bit, alu_btr, true},
    [OP_BTC]          = {execute_bit, alu_btc, true},
    [OP_XCHG]         = {execute_exchange, alu_xchg, true},
    [OP_XADD]         = {execute_exchange, alu_add, true},
    [OP_CMPXCHG]      = {execute_compare_exchange, alu_cmpxchg, true},
    [OP_CMPXCHG8B]    = {execute_compare_exchange_pair, NULL, true},
    [OP_MOV]          = {execute_move, NULL, true},
    [OP_MOVZX]        = {execute_move, NULL, true},
    [OP_MOVSX]        = {execute_move, NULL, true},
    [OP_MOVBE]        = {execute_move, NULL, true},
    [OP_LOAD_SEGMENT] = {execute_load_segment, NULL, false},
    [OP_PUSH]         = {execute_push, NULL, false},
    [OP_POP]          = {execute_pop, NULL, false},
    [OP_POP_SEGMENT]  = {execute_pop_segment, NULL, false},
    [OP_CMOV]         = {execute_move_conditionally, NULL, true},
    [OP_SET]          = {execute_set, NULL, true},
    [OP_MUL]          = {execute_multiply, NULL, true},
    [OP_IMUL1]        = {execute_multiply, NULL, true},
    [OP_IMUL]         = {execute_multiply, NULL, true},
    [OP_MOVS]         = {execute_string, NULL, false},
    [OP_CMPS]         = {execute_string, NULL, false},
    [OP_STOS]         = {execute_string, NULL, false},
    [OP_LODS]         = {execute_string, NULL, false},
    [OP_SCAS]         = {execute_string, NULL, false},
    [OP_INS]          = {execute_string_io, NULL, false},
    [OP_OUTS]         = {execute_string_io, NULL, false},
    [OP_FLUSH]        = {execute_flush, NULL, true},
};
/* clang-format on */

static const uint64_t no_entry;

/* The fast ways: aligned operands at a known guest-physical address, no register that needs care. */

/* MOV to a 32- or 64-bit register, and MOVZX to one. */
static void load(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_read(vcpu, gpa, in->from.size, &vcpu->gpr[in->to.index]);
}

/* MOV to an 8- or 16-bit register. */
static void load_part(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    uint64_t value, mask = size_mask(in->from.size);

    vm_memory_read(vcpu, gpa, in->from.size, &value);
    vcpu->gpr[in->to.index] = (vcpu->gpr[in->to.index] & ~mask) | value;
}

static void store_register(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_write(vcpu, gpa, in->to.size, vcpu->gpr[in->from.index] & size_mask(in->to.size));
}

static void store_immediate(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_write(vcpu, gpa, in->to.size, in->immediate & size_mask(in->to.size));
}

static bool is_plain(const struct operand *operand)
{
    return operand->kind == OPERAND_REGISTER && operand->index != REG_RSP;
}

static fast_function *fast_for(const struct instruction *in)
{
    if (in->from.kind == OPERAND_MEMORY && is_plain(&in->to)) {
        if (in->operation == OP_MOV)
            return in->to.size >= 4 ? load : load_part;
        return in->operation == OP_MOVZX && in->to.size >= 4 ? load : NULL;
    }
    if (in->operation != OP_MOV || in->to.kind != OPERAND_MEMORY)
        return NULL;
    if (in->from.kind == OPERAND_IMMEDIATE)
        return store_immediate;
    return is_plain(&in->from) ? store_register : NULL;
}

static struct cached *entry_for(struct decode_cache *cache, uint64_t rip)
{
    return &cache->entries[(rip ^ rip >> 6) % CACHE_ENTRIES];
}

/* Whether the paging-structure entries are what they were; entries not in use point to `no_entry`. */
static inline bool same_path(const struct walk_path *path)
{
    return *(volatile const uint64_t *)path->entries[0].where == path->entries[0].value &&
           *(volatile const uint64_t *)path->entries[1].where == path->entries[1].value &&
           *(volatile const uint64_t *)path->entries[2].where == path->entries[2].value &&
           *(volatile const uint64_t *)path->entries[3].where == path->entries[3].value &&
           *(volatile const uint64_t *)path->entries[4].where == path->entries[4].value;
}

static inline bool same_code(const struct cached *entry)
{
    uint64_t now[2];

    memcpy(now, entry->code, sizeof(now));
    return !(((now[0] ^ entry->bytes[0]) & entry->mask[0]) | ((now[1] ^ entry->bytes[1]) & entry->mask[1]));
}

static bool is_same(const struct cached *entry, uint64_t rip, uint64_t cr3, const struct segment *cs)
{
    return entry->rip == rip && entry->cr3 == cr3 && entry->attributes == (cs->attributes | ENTRY_VALID) &&
           entry->cs_base == cs->base && same_path(&entry->path) && same_code(entry);
}

/* Linear addresses of code, and how far the segment's limit lets the instruction reach. */
struct code_place {
    gva_t gva;
    unsigned most; /* bytes: at most INSTRUCTION_MOST */
    unsigned bits;
};

static bool place_code(struct vcpu *vcpu, uint64_t rip, const struct segment *cs, struct code_place *place,
                       struct fault *fault)
{
    uint64_t last;

    *place = (struct code_place){.gva = rip, .most = INSTRUCTION_MOST, .bits = 64};
    if (vcpu_code_mode(vcpu) == CODE_64)
        return true; /* the processor has checked that RIP is canonical */
    place->gva = (uint32_t)(cs->base + rip);
    place->bits = cs->attributes & SEG_DB ? 32 : 16;
    last = (uint32_t)rip + UINT64_C(14);
    if ((uint32_t)rip > cs->limit) {
        *fault = (struct fault){.vector = EXC_GP, .has_error = true};
        return false;
    }
    if (last > cs->limit)
        place->most = cs->limit - (uint32_t)rip + 1;
    return true;
}

/* Takes code bytes from the page that holds the next one, until `most` are there. */
static enum outcome fetch_page(struct vcpu *vcpu, const struct code_place *place, struct cached *entry,
                               struct fault *fault)
{
    gva_t gva = place->gva + entry->raw_length;
    unsigned count = MIN(place->most - entry->raw_length, PAGE_SIZE - (gva & PAGE_MASK));
    bool first = entry->raw_length == 0;
    struct walk_path path;
    const uint8_t *code;
    gpa_t gpa;

    if (place->bits != 64)
        gva = (uint32_t)gva;
    else if (!first && !linear_address(vcpu, CODE_64, SEG_CS, gva, 1, false, &gva, fault))
        return OUTCOME_FAULT;
    if (!guest_walk(vcpu, gva, ACCESS_FETCH, &path, &gpa, fault))
        return OUTCOME_FAULT;
    code = guest_ptr(&vcpu->vm->memory, gpa, count);
    if (!code)
        return OUTCOME_UNKNOWN;
    memcpy(entry->raw + entry->raw_length, code, count);
    entry->raw_length += count;
    entry->path = path; /* an instruction in two pages is not remembered */
    if (first)
        entry->code_gpa = gpa;
    return OUTCOME_NEXT;
}

static enum outcome fetch(struct vcpu *vcpu, uint64_t rip, const struct segment *cs, struct cached *entry,
                          struct fault *fault)
{
    struct code_place place;
    enum decode_result result = DECODE_MORE;

    entry->raw_length = 0;
    if (!place_code(vcpu, rip, cs, &place, fault))
        return OUTCOME_FAULT;
    while (result == DECODE_MORE) {
        enum outcome outcome;

        if (entry->raw_length == place.most) { /* too long, or beyond the segment */
            *fault = (struct fault){.vector = EXC_GP, .has_error = true};
            return OUTCOME_FAULT;
        }
        outcome = fetch_page(vcpu, &place, entry, fault);
        if (outcome != OUTCOME_NEXT)
            return outcome;
        result = decode(entry->raw, entry->raw_length, place.bits, &entry->in);
    }
    *fault = (struct fault){.vector = EXC_UD};
    return result == DECODE_OK ? OUTCOME_NEXT : result == DECODE_INVALID ? OUTCOME_FAULT : OUTCOME_UNKNOWN;
}

/* The window of code bytes that is compared: two words of the page that hold the whole instruction. */
static bool watch_code(struct vcpu *vcpu, struct cached *entry)
{
    unsigned at = entry->code_gpa & PAGE_MASK, last = PAGE_SIZE - CODE_WINDOW,
             back = at > last ? at - last : 0;
    uint8_t mask[CODE_WINDOW] = {0}, bytes[CODE_WINDOW] = {0};

    if (at + entry->in.length > PAGE_SIZE)
        return false;
    entry->code = guest_ptr(&vcpu->vm->memory, entry->code_gpa - back, CODE_WINDOW);
    memset(mask + back, 0xff, entry->in.length);
    memcpy(bytes + back, entry->raw, entry->in.length);
    memcpy(entry->mask, mask, sizeof(mask));
    memcpy(entry->bytes, bytes, sizeof(bytes));
    return entry->code;
}

/* Adds to what was fetched how it may be executed; keeps it if all that led to it can be compared later. */
static struct cached *remember(struct vcpu *vcpu, uint64_t rip, uint64_t cr3, const struct segment *cs)
{
    struct decode_cache *cache = vcpu->decode_cache;
    struct cached *entry = &cache->scratch;
    const struct operand *to = &entry->in.to, *memory = to->kind == OPERAND_MEMORY ? to : &entry->in.from;

    /*
     * The exit's address is believed at CPL 0 alone: another vCPU may have changed the instruction since, and
     * a program must not get a write out of its read. Conforming code may run at any level.
     */
    entry->trusted = SEG_DPL(cs->attributes) == 0 && (SEG_TYPE(cs->attributes) & 0xc) != 0xc;
    entry->fast = entry->trusted ? fast_for(&entry->in) : NULL;
    entry->not_fast = BIT(63) | (memory->size ? memory->size - 1u : 0);
    if (!entry->path.exact || !watch_code(vcpu, entry))
        return entry;
    for (unsigned i = entry->path.count; i < WALK_LEVELS_MOST; i++)
        entry->path.entries[i].where = &no_entry, entry->path.entries[i].value = no_entry;
    entry->rip = rip;
    entry->cr3 = cr3;
    entry->cs_base = cs->base;
    entry->attributes = cs->attributes | ENTRY_VALID;
    *entry_for(cache, rip) = *entry;
    return entry;
}

static enum emulate_result fail(struct vcpu *vcpu, const struct cached *entry, enum outcome outcome,
                                const struct fault *fault)
{
    struct decode_cache *cache = vcpu->decode_cache;

    memcpy(cache->failed, entry->raw, sizeof(cache->failed));
    cache->failed_length = entry->raw_length;
    if (outcome == OUTCOME_UNKNOWN)
        return EMULATE_UNKNOWN;
    vcpu_raise(vcpu, fault);
    return EMULATE_FAULT;
}

static enum emulate_result execute(struct vcpu *vcpu, const struct cached *entry, uint64_t rip, gpa_t gpa)
{
    const struct operation_row *row = &operation_rows[entry->in.operation];
    struct emulation e = {.vcpu = vcpu,
                          .in = &entry->in,
                          .mode = vcpu_code_mode(vcpu),
                          .rip = rip,
                          .gpa = entry->trusted && row->one_operand_in_memory ? gpa : EMULATE_NO_GPA};
    enum outcome outcome = row->execute(&e);

    switch (outcome) {
    case OUTCOME_NEXT:
        vcpu_advance(vcpu, entry->in.length);
        return EMULATE_DONE;
    case OUTCOME_STAY:
        vcpu_advance(vcpu, 0);
        return EMULATE_DONE;
    case OUTCOME_AGAIN:
        return EMULATE_DONE;
    default:
        return fail(vcpu, entry, outcome, &e.fault);
    }
}

enum emulate_result emulate(struct vcpu *vcpu, gpa_t gpa)
{
    uint64_t rip = vcpu_get(vcpu, REG_RIP), cr3 = vcpu_get(vcpu, REG_CR3);
    struct segment cs = vcpu_get_segment(vcpu, SEG_CS);
    struct cached *entry = entry_for(vcpu->decode_cache, rip);

    if (unlikely(!is_same(entry, rip, cr3, &cs))) {
        struct fault fault;
        enum outcome outcome = fetch(vcpu, rip, &cs, &vcpu->decode_cache->scratch, &fault);

        if (outcome != OUTCOME_NEXT)
            return fail(vcpu, &vcpu->decode_cache->scratch, outcome, &fault);
        entry = remember(vcpu, rip, cr3, &cs);
    }
    if (likely(entry->fast && !(gpa & entry->not_fast))) {
        entry->fast(vcpu, &entry->in, gpa);
        vcpu_advance(vcpu, entry->in.length);
        return EMULATE_DONE;
    }
    return execute(vcpu, entry, rip, gpa);
}

unsigned emulate_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    memcpy(bytes, vcpu->decode_cache->failed, INSTRUCTION_MOST);
    return vcpu->decode_cache->failed_length;
}

size_t decode_cache_size(void)
{
    return sizeof(struct decode_cache);
}

void decode_cache_flush(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < CACHE_ENTRIES; i++)
        vcpu->decode_cache->entries[i].attributes = 0;
}
