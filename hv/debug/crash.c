#include "hv/debug/crash.h"

#include "hv/debug/guest_symbols.h"
#include "hv/debug/log_ring.h"
#include "hv/debug/state.h"
#include "hv/debug/walk_print.h"
#include "hv/host/log.h"
#include "hv/lib/spinlock.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define FRAMES_MOST 16
#define CODE_BEFORE 16
#define CODE_BYTES  32

struct writer *const crash_writer = &log_writer;

void crash_begin(struct vm *vm)
{
    if (!vm->said_crash)
        log_line("vm %s: cannot go on:", vm->name);
    vm->said_crash = true;
}

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

static void print_place(struct vcpu *vcpu, const struct cpu_state *state, uint64_t rip, struct writer *out)
{
    print_to(out, " %lx", rip);
    guest_symbol_print(vcpu->vm, linear(state, SEG_CS, rip), out);
}

/* By the chain of saved frame pointers, if the guest's code keeps them: each must lie above the one before.
 */
static void print_backtrace(struct vcpu *vcpu, const struct cpu_state *state, struct writer *out)
{
    unsigned width = code_width(state);
    uint64_t frame = state->values[REG_RBP] & (UINT64_MAX >> (64 - 8 * width)), words[2], next;

    print_to(out, "backtrace by rbp:");
    print_place(vcpu, state, state->values[REG_RIP], out);
    for (unsigned i = 0; i < FRAMES_MOST; i++, frame = next) {
        words[0] = words[1] = 0;
        if (debug_read(vcpu, linear(state, SEG_SS, frame), &words[0], width) < width ||
            debug_read(vcpu, linear(state, SEG_SS, frame + width), &words[1], width) < width)
            break;
        next = words[0];
        print_place(vcpu, state, words[1], out);
        if (next <= frame)
            break;
    }
    print_to(out, "\n");
}

static void report(struct vcpu *vcpu, bool first, struct writer *out)
{
    struct cpu_state state;

    state_of_vcpu(vcpu, &state);
    print_to(out, "vcpu %u, %s: %s\n", vcpu->id, state_mode(vcpu), vcpu->vm->reason);
    state_print(&state, out);
    print_code(vcpu, &state, out);
    print_backtrace(vcpu, &state, out);
    print_to(out, "walk of cr2 %lx:\n", state.values[REG_CR2]);
    walk_describe(vcpu, state.values[REG_CR2], out);
    state_print_exits(vcpu, out);
    if (first)
        virt->dump(vcpu, out);
}

void crash_report(struct vcpu *vcpu)
{
    static struct spinlock lock;
    static char text[KIB(12)];
    struct text_buffer buffer;
    bool first;

    spin_lock(&lock);
    first = !vcpu->vm->said_report;
    vcpu->vm->said_report = true;
    crash_begin(vcpu->vm);
    text_buffer_init(&buffer, text, sizeof(text));
    report(vcpu, first, &buffer.writer);
    log_text(text, buffer.length); /* at once, so that no other line comes between */
    spin_unlock(&lock);
}
