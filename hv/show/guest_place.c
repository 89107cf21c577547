#include "hv/show/guest_place.h"

#include "hv/event/guest_debug.h"
#include "hv/lib/format.h"
#include "hv/show/guest_symbols.h"
#include "hv/vm/vm.h"

#define FRAMES_MOST 16
#define CODE_BEFORE 16
#define CODE_BYTES  32

/* How wide addresses are in the vCPU's code: 8, 4 or 2 bytes. */
static unsigned code_width(const struct cpu_state *state)
{
    uint32_t attributes = state->segments[SEG_CS].attributes;

    if ((state->values[REG_EFER] & EFER_LMA) && (attributes & SEG_L))
        return 8;
    return attributes & SEG_DB ? 4 : 2;
}

static gva_t linear(const struct cpu_state *state, enum vcpu_segment segment, uint64_t offset)
{
    return code_width(state) == 8 ? offset : (uint32_t)(state->segments[segment].base + offset);
}

static void print_code(struct vcpu *vcpu, const struct cpu_state *state, struct writer *out)
{
    gva_t rip = linear(state, SEG_CS, state->values[REG_RIP]);
    uint8_t bytes[CODE_BYTES];
    unsigned before = CODE_BEFORE;

    /* where the page before is not mapped, what precedes RIP in its own */
    if (debug_read(vcpu, rip - before, bytes, before) < before)
        before = (unsigned)MIN(rip & PAGE_MASK, CODE_BEFORE);
    state_print_code(bytes, (unsigned)debug_read(vcpu, rip - before, bytes, CODE_BYTES), before, out);
}

static void print_place(struct vcpu *vcpu, const struct cpu_state *state, uint64_t rip, size_t *column,
                        struct writer *out)
{
    char item[128];
    struct text_buffer buffer;

    text_buffer_init(&buffer, item, sizeof(item));
    print_to(&buffer.writer, "%lx", rip);
    guest_symbol_print(vcpu->vm, linear(state, SEG_CS, rip), &buffer.writer);
    print_item(out, column, item);
}

/* By the chain of saved frame pointers, if the guest's code keeps them: each must lie above the one before,
 * and 0 ends it. */
static void print_backtrace(struct vcpu *vcpu, const struct cpu_state *state, struct writer *out)
{
    unsigned width = code_width(state);
    uint64_t frame = state->values[REG_RBP] & (UINT64_MAX >> (64 - 8 * width)), words[2], next;
    size_t column = 0;

    print_to(out, "backtrace by rbp:\n");
    print_place(vcpu, state, state->values[REG_RIP], &column, out);
    for (unsigned i = 0; frame && i < FRAMES_MOST; i++, frame = next) {
        words[0] = words[1] = 0;
        if (debug_read(vcpu, linear(state, SEG_SS, frame), &words[0], width) < width ||
            debug_read(vcpu, linear(state, SEG_SS, frame + width), &words[1], width) < width)
            break;
        next = words[0];
        print_place(vcpu, state, words[1], &column, out);
        if (next <= frame)
            break;
    }
    print_to(out, "\n");
}

void guest_place_print(struct vcpu *vcpu, const struct cpu_state *state, struct writer *out)
{
    print_code(vcpu, state, out);
    print_backtrace(vcpu, state, out);
}
