/*
 * Emulation of the instruction at RIP, and the cache of decoded ones. A remembered instruction is proved
 * still right at each use: the paging-structure entries that led to it and its bytes are compared with guest
 * memory as it is.
 */
#include "hv/emulate/emulate.h"

#include "hv/cpu/virt_state.h"
#include "hv/emulate/emulation.h"
#include "hv/event/event.h"
#include "hv/lib/string.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"
#include "hv/walk/breakpoint.h"

#define CACHE_ENTRIES 64
#define ENTRY_VALID   BIT(31) /* in `attributes`, where no segment has it */
#define ENTRY_WATCHED                                                                                        \
    (UINT32_C(0xff) << CODE_BREAKPOINTS_SHIFT) /* likewise: while breakpoints are enabled                    \
                                                */
#define CODE_WINDOW 16                         /* bytes of code that are compared, two words */

typedef void fast_function(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa);

struct cached {
    struct code_state state; /* its attributes with ENTRY_VALID */
    fast_function *fast;     /* NULL: the general way */
    gpa_t not_fast;          /* bits of a guest-physical address that forbid the fast way */
    struct walk_path path;
    gpa_t code_gpa;      /* of the instruction's first byte */
    const uint8_t *code; /* in guest memory: CODE_WINDOW bytes that hold the instruction */
    uint64_t bytes[2], mask[2];
    bool trusted; /* the program runs at CPL 0 */
    bool more;    /* to compare than three levels of paging structures and the first word of code */
    uint8_t raw[INSTRUCTION_MOST], raw_length;
    struct instruction in;
};

_Static_assert(sizeof(struct cached) == 256, "the size of an entry of the decode cache is a power of two");

struct decode_cache {
    struct cached entries[CACHE_ENTRIES];
    struct cached scratch; /* what cannot be remembered */
    uint8_t failed[INSTRUCTION_MOST];
    uint8_t failed_length;
};

static const uint64_t no_entry;

/* The fast ways: aligned operands at a known guest-physical address, no register that needs care. */

/* MOV to a 32- or 64-bit register, and MOVZX to one. */
static void load(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_read_quick(vcpu, gpa, in->from.size, &vcpu->arch.gpr[in->to.index]);
}

/* MOV to an 8- or 16-bit register. */
static void load_part(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    uint64_t mask = size_mask(in->from.size), value;

    vm_memory_read_quick(vcpu, gpa, in->from.size, &value);
    vcpu->arch.gpr[in->to.index] = (vcpu->arch.gpr[in->to.index] & ~mask) | value;
}

static void store_register(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_write_quick(vcpu, gpa, in->to.size, vcpu->arch.gpr[in->from.index] & size_mask(in->to.size));
}

static void store_immediate(struct vcpu *vcpu, const struct instruction *in, gpa_t gpa)
{
    vm_memory_write_quick(vcpu, gpa, in->to.size, in->immediate & size_mask(in->to.size));
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
    struct cached *entry = &cache->entries[(rip ^ rip >> 6) % CACHE_ENTRIES];

    HIDE_ORIGIN(entry); /* found once: the compiler would find the same place again behind each branch */
    return entry;
}

/* A word of guest memory as it is now. */
static inline uint64_t word_at(const void *where)
{
    uint64_t word;

    __builtin_memcpy(&word, where, sizeof(word));
    return word;
}

/* Whether a paging-structure entry is what it was; one that was not used points to `no_entry`. */
static inline bool same_level(const struct cached *entry, unsigned level)
{
    return word_at(entry->path.entries[level].where) == entry->path.entries[level].value;
}

static inline bool same_word(const struct cached *entry, unsigned n)
{
    return !((word_at(entry->code + 8 * n) ^ entry->bytes[n]) & entry->mask[n]);
}

/* Whether memory still has the paging-structure entries and the code. */
static inline bool same_memory(const struct cached *entry)
{
    if (!same_level(entry, 0) || !same_level(entry, 1) || !same_level(entry, 2) || !same_word(entry, 0))
        return false;
    return !entry->more || (same_level(entry, 3) && same_level(entry, 4) && same_word(entry, 1));
}

static inline bool is_same(const struct cached *entry, const struct code_state *now)
{
    return entry->state.rip == now->rip && entry->state.cr3 == now->cr3 &&
           entry->state.attributes == (now->attributes | ENTRY_VALID) && entry->state.base == now->base &&
           same_memory(entry);
}

/* Linear addresses of code, and how far the segment's limit lets the instruction reach. */
struct code_place {
    gva_t gva;
    unsigned most; /* bytes: at most INSTRUCTION_MOST */
    unsigned bits;
};

static bool place_code(struct vcpu *vcpu, uint64_t rip, struct code_place *place, struct fault *fault)
{
    struct segment cs = vcpu_get_segment(vcpu, SEG_CS);
    uint64_t last;

    *place = (struct code_place){.gva = rip, .most = INSTRUCTION_MOST, .bits = 64};
    if (vcpu_code_mode(vcpu) == CODE_64)
        return true; /* the processor has checked that RIP is canonical */
    place->gva = (uint32_t)(cs.base + rip);
    place->bits = cs.attributes & SEG_DB ? 32 : 16;
    last = (uint32_t)rip + UINT64_C(14);
    if ((uint32_t)rip > cs.limit) {
        *fault = (struct fault){.vector = EXC_GP, .has_error = true};
        return false;
    }
    if (last > cs.limit)
        place->most = cs.limit - (uint32_t)rip + 1;
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

/* The instruction that the CPU itself has read: what lies there now may be another. */
static bool take_given(struct vcpu *vcpu, const struct code_place *place, struct cached *entry)
{
    unsigned count = virt_state->get_bytes ? virt_state->get_bytes(vcpu, entry->raw) : 0;
    struct fault fault;

    if (likely(!count) || decode(entry->raw, MIN(count, place->most), place->bits, &entry->in) != DECODE_OK)
        return false;
    entry->raw_length = (uint8_t)count;
    if (!guest_walk(vcpu, place->gva, ACCESS_FETCH, &entry->path, &entry->code_gpa, &fault))
        entry->path.exact = false; /* so that it is not remembered */
    return true;
}

static enum outcome fetch(struct vcpu *vcpu, uint64_t rip, struct cached *entry, struct fault *fault)
{
    struct code_place place;
    enum decode_result result = DECODE_MORE;

    entry->raw_length = 0;
    if (!place_code(vcpu, rip, &place, fault))
        return OUTCOME_FAULT;
    if (take_given(vcpu, &place, entry))
        return OUTCOME_NEXT;
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
static struct cached *remember(struct vcpu *vcpu, const struct code_state *state)
{
    struct decode_cache *cache = vcpu->arch.decode_cache;
    struct cached *entry = &cache->scratch;
    const struct operand *to = &entry->in.to, *memory = to->kind == OPERAND_MEMORY ? to : &entry->in.from;

    /*
     * The exit's address is believed at CPL 0 alone: another vCPU may have changed the instruction since, and
     * a program must not get a write out of its read. Conforming code may run at any level.
     */
    entry->trusted = SEG_DPL(state->attributes) == 0 && (SEG_TYPE(state->attributes) & 0xc) != 0xc;
    entry->fast = entry->trusted && !(state->attributes & ENTRY_WATCHED) ? fast_for(&entry->in) : NULL;
    entry->not_fast = BIT(63) | (memory->size ? memory->size - 1u : 0);
    if (!entry->path.exact || !watch_code(vcpu, entry))
        return entry;
    for (unsigned i = entry->path.count; i < WALK_LEVELS_MOST; i++)
        entry->path.entries[i].where = &no_entry, entry->path.entries[i].value = no_entry;
    entry->more = entry->path.count > 3 || entry->mask[1];
    entry->state = *state;
    entry->state.attributes |= ENTRY_VALID;
    *entry_for(cache, state->rip) = *entry;
    if (virt->run.watch_paging)
        virt->run.watch_paging(vcpu);
    return entry;
}

static enum emulate_result fail(struct vcpu *vcpu, const struct cached *entry, enum outcome outcome,
                                const struct fault *fault)
{
    struct decode_cache *cache = vcpu->arch.decode_cache;

    memcpy(cache->failed, entry->raw, sizeof(cache->failed));
    cache->failed_length = entry->raw_length;
    if (outcome == OUTCOME_UNKNOWN)
        return EMULATE_UNKNOWN;
    vcpu_raise(vcpu, fault);
    return EMULATE_FAULT;
}

static __attribute__((noinline)) enum emulate_result execute(struct vcpu *vcpu, const struct cached *entry,
                                                             const struct code_state *state, gpa_t gpa)
{
    const struct operation_row *row = &operation_rows[entry->in.operation];
    /* The exit may have been for the read of a read-modify-write, which says nothing of the right to write.
     */
    bool rewrites = row->rewrites && entry->in.to.kind == OPERAND_MEMORY;
    struct emulation e = {.vcpu = vcpu,
                          .in = &entry->in,
                          .bytes = entry->raw,
                          .mode = vcpu_code_mode(vcpu),
                          .rip = state->rip,
                          .dr7 = unlikely(state->attributes & ENTRY_WATCHED) ? vcpu_get(vcpu, REG_DR7) : 0,
                          .gpa = row->one_operand_in_memory && entry->trusted && !rewrites ? gpa
                                                                                           : EMULATE_NO_GPA};
    enum outcome outcome = row->execute(&e);

    switch (outcome) {
    case OUTCOME_NEXT:
        vcpu_advance(vcpu, entry->in.length);
        break;
    case OUTCOME_DONE:
        break;
    case OUTCOME_STAY:
        vcpu_advance(vcpu, 0);
        vcpu_again(vcpu);
        break;
    case OUTCOME_AGAIN:
        vcpu_again(vcpu);
        return EMULATE_DONE;
    case OUTCOME_RAISED:
        return EMULATE_FAULT;
    default:
        return fail(vcpu, entry, outcome, &e.fault);
    }
    if (unlikely(e.hits))
        vcpu_trap(vcpu, e.hits);
    return EMULATE_DONE;
}

/* What the cache does not have, or not as it is now: fetched, decoded and executed. */
static __attribute__((noinline)) enum emulate_result emulate_afresh(struct vcpu *vcpu,
                                                                    const struct code_state *state, gpa_t gpa)
{
    struct cached *scratch = &vcpu->arch.decode_cache->scratch;
    struct fault fault;
    enum outcome outcome = fetch(vcpu, state->rip, scratch, &fault);

    if (outcome != OUTCOME_NEXT)
        return fail(vcpu, scratch, outcome, &fault);
    return execute(vcpu, remember(vcpu, state), state, gpa);
}

static __attribute__((noinline, cold)) void forget(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < CACHE_ENTRIES; i++)
        vcpu->arch.decode_cache->entries[i].state.attributes = 0;
    vcpu->arch.code_changed = false;
}

static inline void get_state(struct vcpu *vcpu, struct code_state *state)
{
    struct segment cs;

    if (likely(virt_state->get_code)) {
        virt_state->get_code(vcpu, state);
        return;
    }
    cs = vcpu_get_segment(vcpu, SEG_CS);
    *state = (struct code_state){.rip = vcpu_get(vcpu, REG_RIP),
                                 .cr3 = vcpu_get(vcpu, REG_CR3),
                                 .base = cs.base,
                                 .attributes = code_attributes(cs.attributes, vcpu_get(vcpu, REG_DR7))};
}

enum emulate_result emulate(struct vcpu *vcpu, gpa_t gpa)
{
    struct code_state state;
    struct cached *entry;

    if (unlikely(vcpu->arch.code_changed))
        forget(vcpu);
    get_state(vcpu, &state);
    entry = entry_for(vcpu->arch.decode_cache, state.rip);
    if (unlikely(!is_same(entry, &state)))
        return emulate_afresh(vcpu, &state, gpa);
    if (unlikely(!entry->fast || (gpa & entry->not_fast)))
        return execute(vcpu, entry, &state, gpa);
    entry->fast(vcpu, &entry->in, gpa);
    virt_state->advance(vcpu, entry->in.length);
    return EMULATE_DONE;
}

static __attribute__((noinline)) unsigned length_afresh(struct vcpu *vcpu, const struct code_state *state)
{
    struct fault fault;
    enum outcome outcome = fetch(vcpu, state->rip, &vcpu->arch.decode_cache->scratch, &fault);

    if (outcome == OUTCOME_NEXT)
        return remember(vcpu, state)->in.length;
    if (outcome == OUTCOME_FAULT)
        vcpu_raise(vcpu, &fault);
    return 0;
}

unsigned emulate_length(struct vcpu *vcpu, uint64_t rip, uint64_t cr3, uint64_t cs_base,
                        uint32_t cs_attributes)
{
    const struct cached *entry = entry_for(vcpu->arch.decode_cache, rip);
    struct code_state state;

    if (unlikely(vcpu->arch.code_changed))
        forget(vcpu);
    if (likely(entry->state.rip == rip && entry->state.cr3 == cr3 && entry->state.base == cs_base &&
               entry->state.attributes == (cs_attributes | ENTRY_VALID) && same_memory(entry)))
        return entry->in.length;
    state = (struct code_state){rip, cr3, cs_base, cs_attributes};
    return length_afresh(vcpu, &state);
}

unsigned emulate_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    memcpy(bytes, vcpu->arch.decode_cache->failed, INSTRUCTION_MOST);
    return vcpu->arch.decode_cache->failed_length;
}

size_t decode_cache_size(void)
{
    return sizeof(struct decode_cache);
}

__attribute__((cold)) void decode_cache_visit(struct vcpu *vcpu)
{
    const struct guest_mem *memory = &vcpu->vm->memory;
    const struct cached *entry = entry_for(vcpu->arch.decode_cache, vcpu_get(vcpu, REG_RIP));

    if (vcpu->arch.code_changed || !(entry->state.attributes & ENTRY_VALID))
        return;
    guest_looked_at(memory, entry->code, CODE_WINDOW);
    for (unsigned i = 0; i < entry->path.count; i++)
        guest_looked_at(memory, entry->path.entries[i].where, sizeof(uint64_t));
}
