#include "hv/event/guest_debug.h"

#include "hv/cpu/native.h"
#include "hv/cpu/virt_state.h"
#include "hv/lib/string.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"
#include "hv/walk/linear.h"

/* LEN bits for a length of 1, 2, 4 and 8 (SDM, "Debug Control Register (DR7)"). */
static uint64_t length_bits(unsigned length)
{
    return length == 8 ? 2 : length - 1;
}

static void tell_vcpus(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_DEBUG);
}

void debug_attach(struct vm *vm, struct vm_debug *debug)
{
    vm->debug = debug;
    tell_vcpus(vm);
}

void debug_detach(struct vm *vm)
{
    vm->debug = NULL;
    tell_vcpus(vm);
}

void debug_end(struct vm *vm)
{
    struct vm_debug *debug = vm->debug;

    vm->debug = NULL;
    if (debug)
        debug->ended(vm);
}

bool debug_wants_crash(const struct vm *vm)
{
    return vm->debug && vm->debug->crashed;
}

void debug_on_crash(struct vcpu *vcpu)
{
    vcpu->vm->debug->crashed(vcpu);
}

static struct debug_point *find_point(struct vm_debug *debug, const struct debug_point *wanted)
{
    for (unsigned i = 0; i < DEBUG_POINTS; i++) {
        struct debug_point *point = &debug->points[i];

        if (point->used == wanted->used &&
            (!point->used || (point->access == wanted->access && point->address == wanted->address &&
                              point->length == wanted->length)))
            return point;
    }
    return NULL;
}

bool debug_insert(struct vm *vm, enum debug_access access, uint64_t address, unsigned length)
{
    struct debug_point *point = find_point(vm->debug, &(struct debug_point){.used = false});

    if (!point || !length || length > 8 || (length & (length - 1)) || (address & (length - 1)))
        return false;
    *point = (struct debug_point){true, (uint8_t)access, (uint8_t)length, address};
    tell_vcpus(vm);
    return true;
}

bool debug_remove(struct vm *vm, enum debug_access access, uint64_t address, unsigned length)
{
    struct debug_point *point =
        find_point(vm->debug, &(struct debug_point){true, (uint8_t)access, (uint8_t)length, address});

    if (!point)
        return false;
    point->used = false;
    tell_vcpus(vm);
    return true;
}

static struct debug_breakpoint *find_breakpoint(struct vm_debug *debug, bool used, uint64_t address)
{
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS_MOST; i++)
        if (debug->breakpoints[i].used == used && (!used || debug->breakpoints[i].address == address))
            return &debug->breakpoints[i];
    return NULL;
}

#define INT3 0xcc

bool debug_set_breakpoint(struct vcpu *vcpu, uint64_t address)
{
    struct debug_breakpoint *breakpoint = find_breakpoint(vcpu->vm->debug, true, address);
    uint8_t *at;
    gpa_t gpa;

    if (breakpoint)
        return true;
    breakpoint = find_breakpoint(vcpu->vm->debug, false, 0);
    at = breakpoint ? debug_find(vcpu, address, 1, &gpa) : NULL;
    if (!at)
        return false;
    *breakpoint = (struct debug_breakpoint){true, *at, address, gpa};
    *at = INT3;
    return true;
}

static bool clear(struct vcpu *vcpu, struct debug_breakpoint *breakpoint)
{
    uint8_t *at = guest_ptr(&vcpu->vm->memory, breakpoint->gpa, 1);
    bool there = at && *at == INT3;

    breakpoint->used = false;
    if (there)
        *at = breakpoint->byte;
    return there;
}

bool debug_clear_breakpoint(struct vcpu *vcpu, uint64_t address)
{
    struct debug_breakpoint *breakpoint = find_breakpoint(vcpu->vm->debug, true, address);

    return breakpoint && clear(vcpu, breakpoint);
}

void debug_clear_breakpoints(struct vcpu *vcpu)
{
    for (unsigned i = 0; i < DEBUG_BREAKPOINTS_MOST; i++)
        if (vcpu->vm->debug->breakpoints[i].used)
            clear(vcpu, &vcpu->vm->debug->breakpoints[i]);
}

void debug_forget_breakpoints(struct vm *vm)
{
    if (vm->debug)
        memset(vm->debug->breakpoints, 0, sizeof(vm->debug->breakpoints));
}

/* The points that want a debug register: the step's own comes first. */
static unsigned list_points(const struct vcpu *vcpu, const struct debug_point *list[DEBUG_POINTS + 1])
{
    const struct vm_debug *of_vm = vcpu->vm->debug;
    unsigned count = 0;

    if (vcpu->arch.debug.landing.used)
        list[count++] = &vcpu->arch.debug.landing;
    for (unsigned i = 0; of_vm && i < DEBUG_POINTS; i++)
        if (of_vm->points[i].used)
            list[count++] = &of_vm->points[i];
    return count;
}

/*
 * The registers that the guest has turned on are its own, in their places, so that DR6 tells it the right
 * ones; the debugger's points take the others, as far as they go.
 */
static void share_registers(struct vcpu *vcpu, const struct debug_point *const list[], unsigned count)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;
    uint64_t dr7 = debug->dr7;
    unsigned next = 0;

    for (unsigned n = 0; n < 4; n++) {
        bool guests = debug->dr7 & DR7_ENABLE(n) || next == count;

        debug->holder[n] = guests ? NULL : list[next++];
        native_set_dr(n, guests ? debug->dr[n] : debug->holder[n]->address);
        if (guests)
            continue;
        dr7 &= ~(UINT64_C(15) << DR7_KIND(n));
        dr7 |= DR7_GLOBAL(n) | (debug->holder[n]->access | length_bits(debug->holder[n]->length) << 2)
                                   << DR7_KIND(n);
    }
    virt_state->set(vcpu, REG_DR7, dr7);
}

/* From now on the guest's registers are kept here, or in the CPU again. */
static void take_registers(struct vcpu *vcpu, bool take)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;

    if (take == (bool)(debug->intercepts & DEBUG_REGISTERS))
        return;
    if (take) {
        for (unsigned n = 0; n < 4; n++)
            debug->dr[n] = native_dr(n);
        debug->dr7 = virt_state->get(vcpu, REG_DR7);
        return;
    }
    share_registers(vcpu, NULL, 0);
}

void debug_apply(struct vcpu *vcpu)
{
    const struct debug_point *list[DEBUG_POINTS + 1];
    struct vcpu_debug *debug = &vcpu->arch.debug;
    unsigned count, intercepts;

    debug_begin_step(vcpu);
    count = list_points(vcpu, list);
    take_registers(vcpu, count);
    intercepts = (vcpu->vm->debug ? DEBUG_BREAKPOINTS : 0) | (count ? DEBUG_REGISTERS : 0) |
                 (debug->step ? DEBUG_EXCEPTIONS : 0);
    debug->intercepts = (uint8_t)intercepts;
    if (count)
        share_registers(vcpu, list, count);
    virt->run.set_debug(vcpu, intercepts);
}

void debug_reset(struct vcpu *vcpu)
{
    memset(&vcpu->arch.debug, 0, sizeof(vcpu->arch.debug));
    if (vcpu->vm->debug)
        vcpu_note(vcpu, REQUEST_DEBUG);
}

uint64_t debug_get_register(const struct vcpu *vcpu, unsigned number)
{
    return number == 7 ? vcpu->arch.debug.dr7 : vcpu->arch.debug.dr[number];
}

void debug_set_register(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    const struct debug_point *list[DEBUG_POINTS + 1];

    if (number == 7)
        vcpu->arch.debug.dr7 = value;
    else
        vcpu->arch.debug.dr[number] = value;
    share_registers(vcpu, list, list_points(vcpu, list));
}

bool debug_on_breakpoint(struct vcpu *vcpu)
{
    struct vm_debug *debug = vcpu->vm->debug;

    if (!debug || !find_breakpoint(debug, true, debug_linear_rip(vcpu)))
        return false;
    debug->stopped(vcpu, DEBUG_BREAKPOINT, NULL);
    return true;
}

uint64_t debug_on_trap(struct vcpu *vcpu, uint64_t causes)
{
    struct vcpu_debug *debug = &vcpu->arch.debug;
    const struct debug_point *hit = NULL;

    if (!debug->intercepts)
        return causes;
    for (unsigned n = 0; n < 4; n++)
        if (debug->holder[n] && causes & BIT(n)) {
            hit = hit && hit != &debug->landing ? hit : debug->holder[n];
            causes &= ~BIT(n);
        }
    if ((causes & DR6_BS || hit == &debug->landing) && debug_end_step(vcpu))
        causes &= ~DR6_BS;
    if (hit && hit != &debug->landing && vcpu->vm->debug)
        vcpu->vm->debug->stopped(vcpu, DEBUG_POINT, hit);
    return causes;
}
