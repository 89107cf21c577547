#include "hv/show/state.h"

#include "hv/cpu/native.h"
#include "hv/event/guest_debug.h"
#include "hv/host/cpu.h"
#include "hv/lib/format.h"
#include "hv/vm/virt.h"
#include "hv/walk/linear.h"

const char *state_mode(struct vcpu *vcpu)
{
    static const char *const modes[] = {"real mode", "virtual-8086 mode", "protected mode", "64-bit mode"};

    return modes[vcpu_code_mode(vcpu)];
}

void state_of_vcpu(struct vcpu *vcpu, struct cpu_state *state)
{
    bool loaded = this_cpu()->current == vcpu, aside = vcpu->arch.debug.intercepts & DEBUG_REGISTERS;

    if (loaded)
        native_take_xcr0(vcpu);
    for (unsigned i = 0; i < REG_COUNT; i++)
        state->values[i] = vcpu_get(vcpu, (enum vcpu_reg)i);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        state->segments[i] = vcpu_get_segment(vcpu, (enum vcpu_segment)i);
    for (unsigned i = 0; i < 4; i++)
        state->values[STATE_DR0 + i] = aside    ? debug_get_register(vcpu, i)
                                       : loaded ? native_dr(i)
                                                : vcpu->arch.native.dr[i];
    if (aside)
        state->values[REG_DR7] = debug_get_register(vcpu, 7);
    state->values[STATE_XCR0] = vcpu->arch.xcr0;
}

void state_print(const struct cpu_state *state, struct writer *out)
{
    static const char names[STATE_COUNT][5] = {"rax", "rcx",  "rdx", "rbx", "rsp", "rbp", "rsi",  "rdi",
                                               "r8",  "r9",   "r10", "r11", "r12", "r13", "r14",  "r15",
                                               "rip", "rfl",  "cr0", "cr2", "cr3", "cr4", "efer", "dr6",
                                               "dr7", "xcr0", "dr0", "dr1", "dr2", "dr3"};
    static const char segments[SEG_COUNT][5] = {"es", "cs",   "ss", "ds",   "fs",
                                                "gs", "ldtr", "tr", "gdtr", "idtr"};

    for (unsigned i = 0; i < STATE_COUNT; i++)
        print_to(out, "%-4s %016lx%s", names[i], state->values[i],
                 i % 4 == 3 || i == STATE_COUNT - 1 ? "\n" : "  ");
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        const struct segment *s = &state->segments[i];

        print_to(out, "%-4s %04x base %016lx limit %08x flags %05x%s", segments[i], s->selector, s->base,
                 s->limit, s->attributes, i % 2 ? "\n" : "  ");
    }
}

void state_print_code(const uint8_t *bytes, unsigned count, unsigned rip, struct writer *out)
{
    print_to(out, "code:");
    for (unsigned i = 0; i < count; i++)
        print_to(out, i == rip ? " <%02x>" : " %02x", bytes[i]);
    print_to(out, "\n");
}

void state_print_exits(const struct vcpu *vcpu, struct writer *out)
{
    unsigned last = vcpu->exit_at / sizeof(struct exit_record) + EXITS_KEPT - 1, same;
    size_t column = 0;

    print_to(out, "last exits, the latest first, with the low half of rip:\n");
    for (unsigned i = 0; i < EXITS_KEPT; i += same) {
        struct exit_record at = vcpu->last_exits[(last - i) % EXITS_KEPT], next = at;
        char item[80], times[8];

        for (same = 0; i + same < EXITS_KEPT && next.reason == at.reason && next.rip == at.rip; same++)
            next = vcpu->last_exits[(last - i - same - 1) % EXITS_KEPT];
        format_text(times, sizeof(times), "%u x ", same);
        if (at.reason == 0 && at.rip == 0) /* there was none yet */
            continue;
        format_text(item, sizeof(item), "%s%s %08x", same > 1 ? times : "", virt->show.exit_name(at.reason),
                    at.rip);
        print_item(out, &column, item);
    }
    print_to(out, "\n");
}
