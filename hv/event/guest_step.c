/*
 * One instruction of a guest at a time. RFLAGS.TF does it, and the guest must not see that: what goes
 * through a gate, where the flag is pushed and lost, is awaited in its handler by a debug register instead.
 */
#include "hv/cpu/virt_state.h"
#include "hv/event/guest_debug.h"
#include "hv/vm/vm.h"
#include "hv/walk/linear.h"

/* What a step has to know of an instruction. Those of two bytes have 0x0f in the upper. */
enum {
    OPCODE_PUSHF = 0x9c,
    OPCODE_POPF = 0x9d,
    OPCODE_INT3 = 0xcc,
    OPCODE_INT = 0xcd,
    OPCODE_INTO = 0xce,
    OPCODE_IRET = 0xcf,
    OPCODE_INT1 = 0xf1,
    OPCODE_SYSCALL = 0x0f05,
    OPCODE_SYSRET = 0x0f07,
    OPCODE_SYSENTER = 0x0f34,
};

static bool is_prefix(uint8_t byte, bool wide)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

    for (unsigned i = 0; i < ARRAY_LENGTH(prefixes); i++)
        if (byte == prefixes[i])
            return true;
    return wide && (byte & 0xf0) == 0x40; /* REX */
}

/* The opcode at RIP, with the byte behind it; 0 if it cannot be read: the step is a fault then. */
static unsigned fetch(struct vcpu *vcpu, uint8_t *operand)
{
    uint8_t bytes[15];
    size_t count = debug_read(vcpu, debug_linear_rip(vcpu), bytes, sizeof(bytes)), at = 0;
    bool wide = vcpu_code_mode(vcpu) == CODE_64, two_bytes;

    while (at + 2 < count && is_prefix(bytes[at], wide))
        at++;
    if (at + 2 > count)
        return count == 1 ? bytes[0] : 0;
    two_bytes = bytes[at] == 0x0f;
    *operand = bytes[at + 1];
    return two_bytes ? 0x0f00u | bytes[at + 1] : bytes[at];
}

/* The base of the code segment that a gate leads to: 0 if it cannot be found. */
static uint64_t base_of(struct vcpu *vcpu, uint16_t selector)
{
    struct segment table = vcpu_get_segment(vcpu, selector & 4 ? SEG_LDTR : SEG_GDTR);
    uint64_t descriptor;

    if (debug_read(vcpu, table.base + (selector & ~7u), &descriptor, 8) != 8)
        return 0;
    return (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000);
}

#define GATE_TASK  5
#define GATE_WIDTH BIT(3) /* of its type: 32 bits */

/* Where the handler of a vector begins (SDM, "Interrupt and Exception Handling"). */
static bool find_handler(struct vcpu *vcpu, uint8_t vector, uint64_t *address)
{
    bool real = !(vcpu_get(vcpu, REG_CR0) & CR0_PE), wide = vcpu_get(vcpu, REG_EFER) & EFER_LMA;
    unsigned size = real ? 4 : wide ? 16 : 8;
    uint64_t gate[2] = {0}, type;

    if (debug_read(vcpu, vcpu_get_segment(vcpu, SEG_IDTR).base + size * vector, gate, size) != size)
        return false;
    type = gate[0] >> 40 & 15;
    if (real)
        *address = (gate[0] >> 16 & 0xffff) * 16 + (gate[0] & 0xffff);
    else if (type == GATE_TASK)
        return false;
    else if (wide)
        *address = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff0000) | gate[1] << 32;
    else
        *address = (uint32_t)(base_of(vcpu, (uint16_t)(gate[0] >> 16)) + (gate[0] & 0xffff) +
                              (type & GATE_WIDTH ? gate[0] >> 32 & 0xffff0000 : 0));
    return true;
}

/* Where SYSCALL or SYSENTER goes. */
static bool find_entry(struct vcpu *vcpu, unsigned opcode, uint64_t *address)
{
    bool wide = vcpu_code_mode(vcpu) == CODE_64, long_mode = vcpu_get(vcpu, REG_EFER) & EFER_LMA;

    if (opcode == OPCODE_SYSENTER)
        return virt_state->get_msr(vcpu, IA32_SYSENTER_EIP, address);
    if (!virt_state->get_msr(vcpu, wide ? IA32_LSTAR : long_mode ? IA32_CSTAR : IA32_STAR, address))
        return false;
    if (!long_mode)
        *address = (uint32_t)*address;
    return true;
}

/* Whether the next instruction, or the event before it, does not end at the one behind it. */
static bool leads_away(struct vcpu *vcpu, uint64_t *address)
{
    uint8_t operand = 0;
    unsigned opcode;

    if (vcpu->arch.event.valid)
        return find_handler(vcpu, vcpu->arch.event.vector, address);
    opcode = fetch(vcpu, &operand);
    vcpu->arch.debug.opcode = (uint16_t)opcode;
    switch (opcode) {
    case OPCODE_INT:
        return find_handler(vcpu, operand, address);
    case OPCODE_INT3:
        return find_handler(vcpu, EXC_BP, address);
    case OPCODE_INT1:
        return find_handler(vcpu, EXC_DB, address);
    case OPCODE_INTO:
        return vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_OF && find_handler(vcpu, EXC_OF, address);
    case OPCODE_SYSCALL:
    case OPCODE_SYSENTER:
        return find_entry(vcpu, opcode, address);
    default:
        return false;
    }
}

static void set_trap_flag(struct vcpu *vcpu, bool on)
{
    uint64_t flags = vcpu_get(vcpu, REG_RFLAGS) & ~RFLAGS_TF;

    vcpu_set(vcpu, REG_RFLAGS, on ? flags | RFLAGS_TF : flags);
}

void debug_step(struct vcpu *vcpu)
{
    vcpu->arch.debug.step = vcpu->arch.debug.step == STEP_GIVEN_UP ? STEP_TRAP : STEP_ASKED;
    vcpu_request(vcpu, REQUEST_DEBUG);
}

void debug_give_up_step(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;

    if (!debug->step || debug->step == STEP_GIVEN_UP)
        return; /* the flag of one given up before is still set: the vCPU has not run since */
    debug->step = debug->step == STEP_TRAP ? STEP_GIVEN_UP : STEP_NONE;
    debug->landing.used = false;
    vcpu_request(vcpu, REQUEST_DEBUG);
}

void debug_begin_step(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;
    uint64_t address;

    if (debug->step == STEP_GIVEN_UP) {
        set_trap_flag(vcpu, debug->guest_tf);
        debug->step = STEP_NONE;
    }
    if (debug->step != STEP_ASKED)
        return;
    if (leads_away(vcpu, &address)) {
        debug->landing = (struct debug_point){true, DEBUG_ON_EXECUTION, 1, address};
        debug->step = STEP_LANDING;
        return;
    }
    debug->guest_tf = vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_TF;
    debug->step = STEP_TRAP;
    set_trap_flag(vcpu, true);
}

/* PUSHF has put the flag on the stack: bit 0 of the second byte. */
static void hide_pushed_flag(struct vcpu *vcpu)
{
    struct segment ss = vcpu_get_segment(vcpu, SEG_SS);
    uint64_t rsp = vcpu_get(vcpu, REG_RSP), at = rsp + 1;
    uint8_t byte;

    if (vcpu_code_mode(vcpu) != CODE_64)
        at = (uint32_t)(ss.base + (ss.attributes & SEG_DB ? (uint32_t)rsp : (uint16_t)rsp) + 1);
    if (debug_read(vcpu, at, &byte, 1)) {
        byte &= (uint8_t)~1;
        debug_write(vcpu, at, &byte, 1);
    }
}

/* TF as the guest has it. `executed`: the instruction has been; some load the flag themselves. */
static void restore_trap_flag(struct vcpu *vcpu, bool executed)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;
    unsigned opcode = debug->opcode;

    if (debug->step != STEP_TRAP)
        return;
    if (executed && (opcode == OPCODE_POPF || opcode == OPCODE_IRET || opcode == OPCODE_SYSRET))
        return;
    set_trap_flag(vcpu, debug->guest_tf);
    if (executed && opcode == OPCODE_PUSHF && !debug->guest_tf)
        hide_pushed_flag(vcpu);
}

bool debug_end_step(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;
    bool hidden = debug->step == STEP_TRAP && !debug->guest_tf;

    if (!debug->step)
        return false;
    restore_trap_flag(vcpu, true);
    debug->step = STEP_NONE;
    debug->landing.used = false;
    vcpu_note(vcpu, REQUEST_DEBUG);
    if (vcpu->vm->debug)
        vcpu->vm->debug->stopped(vcpu, DEBUG_STEPPED, NULL);
    return hidden;
}

void debug_on_exception(struct vcpu *vcpu)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;

    if (!debug->step)
        return;
    restore_trap_flag(vcpu, false);
    debug->step = STEP_ASKED; /* and leads to the handler now */
    debug->landing.used = false;
    vcpu_note(vcpu, REQUEST_DEBUG);
}
