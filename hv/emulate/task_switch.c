#include "hv/emulate/task_switch.h"

#include "hv/cpu/virt_state.h"
#include "hv/event/event.h"
#include "hv/walk/linear.h"
#include "hv/walk/segment.h"

/* SDM, "Task-State Segment (TSS)". */
struct tss_32 {
    uint32_t link, stacks[6], cr3, eip, eflags, gpr[8], segments[6], ldt;
    uint16_t trap, io_map;
} PACKED;

/* SDM, "16-Bit Task-State Segment (TSS)". */
struct tss_16 {
    uint16_t link, stacks[6], ip, flags, gpr[8], segments[4], ldt;
} PACKED;

/* The part of a TSS that a switch away from its task writes. */
#define SAVED_32_FIRST offsetof(struct tss_32, eip)
#define SAVED_32_SIZE  (offsetof(struct tss_32, ldt) - SAVED_32_FIRST)
#define SAVED_16_FIRST offsetof(struct tss_16, ip)
#define SAVED_16_SIZE  (offsetof(struct tss_16, ldt) - SAVED_16_FIRST)

#define EFLAGS_DEFINED 0x3f7fd5 /* bits that a TSS can set */

/* A task's registers, whatever its TSS looks like. */
struct task {
    uint32_t cr3, eip, eflags, gpr[8];
    uint16_t segments[6], ldt;
    bool wide, trap; /* 32-bit TSS; its T flag */
};

/* Everything that is looked up and checked before anything changes. */
struct plan {
    const struct task_switch *request;
    struct segment old_tr, new_tr;
    bool old_wide, new_wide;
    struct span save, load, old_busy, new_busy, link;
};

static bool is_wide(const struct segment *tss)
{
    return SEG_TYPE(tss->attributes) & 8;
}

static bool fail(struct fault *fault, uint8_t vector, uint16_t selector, const struct task_switch *request)
{
    *fault = (struct fault){
        .vector = vector, .has_error = true, .error = (selector & ~SELECTOR_RPL) | request->external};
    return false;
}

static bool nests(const struct task_switch *request)
{
    return request->source == TASK_SWITCH_CALL || request->source == TASK_SWITCH_GATE;
}

/* The new TSS's descriptor: in the GDT, of the right type, present, long enough. */
static bool check_descriptor(struct vcpu *vcpu, struct plan *plan, gva_t *where, struct fault *fault)
{
    const struct task_switch *request = plan->request;
    struct segment_rules rules = {.bad = request->source == TASK_SWITCH_IRET ? EXC_TS : EXC_GP,
                                  .external = request->external};
    unsigned busy = request->source == TASK_SWITCH_IRET ? SYSTEM_BUSY : 0, type;
    uint64_t raw;

    if ((request->selector & SELECTOR_TI) || !(request->selector & SELECTOR_INDEX))
        return fail(fault, rules.bad, request->selector, request);
    if (!segment_descriptor(vcpu, request->selector, &rules, &raw, where, fault))
        return false;
    plan->new_tr = segment_from(request->selector, raw);
    type = SEG_TYPE(plan->new_tr.attributes);
    if ((plan->new_tr.attributes & SEG_S) ||
        (type != (SYSTEM_TSS_16 | busy) && type != (SYSTEM_TSS_32 | busy)))
        return fail(fault, rules.bad, request->selector, request);
    if (!(plan->new_tr.attributes & SEG_P))
        return fail(fault, EXC_NP, request->selector, request);
    plan->new_wide = is_wide(&plan->new_tr);
    if (plan->new_tr.limit < (plan->new_wide ? sizeof(struct tss_32) : sizeof(struct tss_16)) - 1)
        return fail(fault, EXC_TS, request->selector, request);
    return true;
}

static bool find(struct vcpu *vcpu, gva_t gva, unsigned size, unsigned access, struct span *span,
                 struct fault *fault)
{
    return span_find(vcpu, (uint32_t)gva, size, access | ACCESS_SYSTEM, span, fault);
}

/* Every page that the switch will touch (SDM: "checks that … are paged into system memory"). */
static bool check_pages(struct vcpu *vcpu, struct plan *plan, gva_t new_descriptor, struct fault *fault)
{
    struct segment gdt = vcpu_get_segment(vcpu, SEG_GDTR);
    gva_t old = plan->old_tr.base, new = plan->new_tr.base;
    gva_t old_descriptor = gdt.base + (plan->old_tr.selector & SELECTOR_INDEX);

    return find(vcpu, old + (plan->old_wide ? SAVED_32_FIRST : SAVED_16_FIRST),
                plan->old_wide ? SAVED_32_SIZE : SAVED_16_SIZE, ACCESS_WRITE, &plan->save, fault) &&
           find(vcpu, new, plan->new_wide ? sizeof(struct tss_32) : sizeof(struct tss_16), ACCESS_READ,
                &plan->load, fault) &&
           (!nests(plan->request) || find(vcpu, new, 2, ACCESS_WRITE, &plan->link, fault)) &&
           find(vcpu, old_descriptor + 5, 1, ACCESS_WRITE, &plan->old_busy, fault) &&
           find(vcpu, new_descriptor + 5, 1, ACCESS_WRITE, &plan->new_busy, fault);
}

static bool make_plan(struct vcpu *vcpu, const struct task_switch *request, struct plan *plan,
                      struct fault *fault)
{
    gva_t new_descriptor;

    *plan = (struct plan){.request = request, .old_tr = vcpu_get_segment(vcpu, SEG_TR)};
    plan->old_wide = is_wide(&plan->old_tr);
    if (!check_descriptor(vcpu, plan, &new_descriptor, fault))
        return false;
    if (plan->old_tr.limit <
        (plan->old_wide ? SAVED_32_FIRST + SAVED_32_SIZE : SAVED_16_FIRST + SAVED_16_SIZE) - 1)
        return fail(fault, EXC_TS, plan->old_tr.selector, request);
    return check_pages(vcpu, plan, new_descriptor, fault);
}

static void set_busy(struct vcpu *vcpu, const struct span *span, bool busy)
{
    uint8_t access;

    span_read(vcpu, span, &access);
    access = busy ? access | SYSTEM_BUSY : access & ~SYSTEM_BUSY;
    span_write(vcpu, span, &access);
}

static void save_old_task(struct vcpu *vcpu, const struct plan *plan)
{
    uint64_t flags = vcpu_get(vcpu, REG_RFLAGS);
    struct tss_32 wide = {.eip = vcpu_get(vcpu, REG_RIP) + plan->request->length};
    struct tss_16 narrow = {.ip = wide.eip};

    if (plan->request->source == TASK_SWITCH_IRET)
        flags &= ~RFLAGS_NT;
    if (plan->request->length) /* an instruction that is done; an event leaves RF as its class has it */
        flags &= ~RFLAGS_RF;
    wide.eflags = flags, narrow.flags = flags;
    for (unsigned i = 0; i < 8; i++)
        wide.gpr[i] = vcpu_get(vcpu, REG_RAX + i), narrow.gpr[i] = wide.gpr[i];
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        wide.segments[i] = vcpu_get_segment(vcpu, i).selector;
    for (unsigned i = SEG_ES; i <= SEG_DS; i++)
        narrow.segments[i] = wide.segments[i];
    if (plan->old_wide)
        span_write(vcpu, &plan->save, (uint8_t *)&wide + SAVED_32_FIRST);
    else
        span_write(vcpu, &plan->save, (uint8_t *)&narrow + SAVED_16_FIRST);
}

static struct task read_new_task(struct vcpu *vcpu, const struct plan *plan)
{
    struct task task = {.wide = plan->new_wide};
    struct tss_32 wide;
    struct tss_16 narrow;

    if (!plan->new_wide) {
        span_read(vcpu, &plan->load, &narrow);
        task.eip = narrow.ip, task.eflags = narrow.flags, task.ldt = narrow.ldt;
        for (unsigned i = 0; i < 8; i++)
            task.gpr[i] = narrow.gpr[i];
        for (unsigned i = SEG_ES; i <= SEG_DS; i++)
            task.segments[i] = narrow.segments[i];
        return task;
    }
    span_read(vcpu, &plan->load, &wide);
    task.cr3 = wide.cr3, task.eip = wide.eip, task.eflags = wide.eflags, task.ldt = wide.ldt;
    task.trap = wide.trap & 1;
    for (unsigned i = 0; i < 8; i++)
        task.gpr[i] = wide.gpr[i];
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        task.segments[i] = wide.segments[i];
    return task;
}

/*
 * Selectors without descriptors yet. A fault from here on is the new task's: CS and SS get its privilege
 * level, so that it can be delivered.
 */
static void load_selectors(struct vcpu *vcpu, const struct task *task)
{
    uint32_t dpl = (task->segments[SEG_CS] & SELECTOR_RPL) << 5;

    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        struct segment value = {.selector = task->segments[i], .attributes = SEG_UNUSABLE};

        if (task->eflags & RFLAGS_VM)
            value = segment_v86(task->segments[i]);
        else if (i == SEG_CS)
            value.limit = 0xffff, value.attributes = SEG_P | SEG_S | 0xb | dpl;
        else if (i == SEG_SS)
            value.attributes |= dpl;
        vcpu_set_segment(vcpu, i, &value);
    }
    vcpu_set_segment(vcpu, SEG_LDTR, &(struct segment){.selector = task->ldt, .attributes = SEG_UNUSABLE});
}

/* false: CR3 stays, for its table of PAE paging is bad; the fault is the new task's. */
static bool load_registers(struct vcpu *vcpu, const struct plan *plan, const struct task *task,
                           struct fault *fault)
{
    uint64_t cr0 = vcpu_get(vcpu, REG_CR0), flags = (task->eflags & EFLAGS_DEFINED) | RFLAGS_1;
    struct segment tr = plan->new_tr;
    bool pages = task->wide && (cr0 & CR0_PG), valid;

    tr.attributes |= SYSTEM_BUSY;
    vcpu_set_segment(vcpu, SEG_TR, &tr);
    valid = !pages || !virt_state->loads_pdptes || guest_pdptes_valid(vcpu, task->cr3);
    if (pages && valid)
        vcpu_set(vcpu, REG_CR3, task->cr3);
    vcpu_set(vcpu, REG_CR0, cr0 | CR0_TS);
    vcpu_set(vcpu, REG_DR7, vcpu_get(vcpu, REG_DR7) & ~DR7_LOCAL);
    vcpu_set(vcpu, REG_RFLAGS, nests(plan->request) ? flags | RFLAGS_NT : flags);
    vcpu_set(vcpu, REG_RIP, task->eip);
    for (unsigned i = 0; i < 8; i++)
        vcpu_set(vcpu, REG_RAX + i, task->gpr[i]);
    load_selectors(vcpu, task);
    return valid || fail(fault, EXC_GP, 0, plan->request);
}

static bool load_descriptors(struct vcpu *vcpu, const struct task *task, const struct task_switch *request,
                             struct fault *fault)
{
    /* SS before CS: a fault over CS is delivered on the new stack ("Exception Conditions Checked During a
     * Task Switch"). */
    static const enum vcpu_segment order[] = {SEG_SS, SEG_CS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    struct segment_rules rules = {
        .cpl = task->segments[SEG_CS] & SELECTOR_RPL, .bad = EXC_TS, .external = request->external};
    struct segment value;

    if (!segment_check(vcpu, SEG_LDTR, task->ldt, &rules, &value, fault))
        return false;
    vcpu_set_segment(vcpu, SEG_LDTR, &value);
    if (task->eflags & RFLAGS_VM)
        return true;
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        if (!segment_check(vcpu, order[i], task->segments[order[i]], &rules, &value, fault))
            return false;
        vcpu_set_segment(vcpu, order[i], &value);
    }
    return true;
}

/* The error code of the exception that came through the task gate, on the new task's stack. */
static bool push_error(struct vcpu *vcpu, const struct task *task, uint32_t error, struct fault *fault)
{
    unsigned size = task->wide ? 4 : 2;
    uint32_t esp = vcpu_get(vcpu, REG_RSP), mask = 0xffff, top;
    gva_t gva;

    if (vcpu_get_segment(vcpu, SEG_SS).attributes & SEG_DB)
        mask = 0xffffffff;
    top = (esp - size) & mask;
    if (!linear_address(vcpu, vcpu_code_mode(vcpu), SEG_SS, top, size, true, &gva, fault) ||
        !linear_write(vcpu, gva, &error, size, ACCESS_WRITE, fault))
        return false;
    vcpu_set(vcpu, REG_RSP, (esp & ~mask) | top);
    return true;
}

bool task_switch(struct vcpu *vcpu, const struct task_switch *request)
{
    struct fault fault = {.vector = EXC_NONE};
    struct plan plan;
    struct task task;

    if (!make_plan(vcpu, request, &plan, &fault)) {
        vcpu_raise(vcpu, &fault);
        return false;
    }
    save_old_task(vcpu, &plan);
    if (!nests(request))
        set_busy(vcpu, &plan.old_busy, false);
    else
        span_write(vcpu, &plan.link, &plan.old_tr.selector);
    if (request->source != TASK_SWITCH_IRET)
        set_busy(vcpu, &plan.new_busy, true);
    task = read_new_task(vcpu, &plan);
    if (load_registers(vcpu, &plan, &task, &fault) && load_descriptors(vcpu, &task, request, &fault) &&
        (!request->has_error || push_error(vcpu, &task, request->error, &fault)) && !task.trap)
        return true;
    if (fault.vector == EXC_NONE) /* the T flag: a trap once the task is in place */
        fault = (struct fault){.vector = EXC_DB, .address = DR6_BT};
    vcpu_raise(vcpu, &fault);
    return fault.vector == EXC_DB;
}
