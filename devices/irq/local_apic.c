/* The local APIC's core: which interrupts it holds, which of them the processor gets, and when they end. */
#include "devices/irq/apic_internal.h"
#include "hv/event/event.h"

/* SDM, "Task and Processor Priorities". Other cores ask too, for lowest-priority arbitration. */
unsigned apic_ppr(const struct local_apic *apic)
{
    unsigned tpr = apic_load(apic, APIC_TPR);
    int serving = apic_highest(apic, APIC_ISR);

    if (serving < 0 || tpr >> 4 >= (unsigned)serving >> 4)
        return tpr;
    return serving & 0xf0;
}

/* The vector in IRR that the priorities let through, or -1. */
static int deliverable(struct local_apic *apic)
{
    int vector;

    apic_merge(apic);
    vector = apic_highest(apic, APIC_IRR);
    if (likely(vector < 0) || !apic_enabled(apic))
        return -1;
    return vector >> 4 > (int)(apic_ppr(apic) >> 4) ? vector : -1;
}

/* Where hardware has a part in it, whatever it is to be told of: TPR's threshold, what is in service. */
static bool concerns_hardware(const struct local_apic *apic)
{
    return apic->vcpu->arch.apic.delivers ||
           (apic->vcpu->arch.apic.shadows && apic_highest(apic, APIC_IRR) >= 0);
}

void apic_reconsider(struct local_apic *apic)
{
    if (deliverable(apic) >= 0 || unlikely(concerns_hardware(apic)))
        vcpu_request(apic->vcpu, REQUEST_EVENT);
}

bool apic_accept(struct local_apic *apic, unsigned vector, bool level)
{
    uint64_t *set = level ? apic->levels : apic->posted.requests;

    if (!apic_accepts(apic))
        return false;
    if (unlikely(vector < 16)) {
        apic_error(apic, ESR_RECEIVE_ILLEGAL);
        return false;
    }
    __atomic_fetch_or(&set[vector / 64], BIT(vector & 63), __ATOMIC_SEQ_CST);
    if (level)
        __atomic_store_n(&apic->levels_arrived, 1, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_or(&apic->posted.control, POSTED_OUTSTANDING, __ATOMIC_SEQ_CST);
    /* Of a level, or one that no longer is, hardware must be told first: by update_apic. */
    if (unlikely(apic->vcpu->arch.apic.post != NULL) && !level && !apic_has(apic, APIC_TMR, vector))
        apic->vcpu->arch.apic.post(apic->vcpu);
    else
        vcpu_request(apic->vcpu, REQUEST_EVENT);
    return true;
}

/* LVT LINT0 as software reads it. */
static void show_remote_irr(struct local_apic *apic)
{
    uint32_t lvt = apic_load(apic, APIC_LVT_LINT0) & ~LVT_REMOTE_IRR;

    apic_store(apic, APIC_LVT_LINT0, lvt | (apic_inputs(apic) & INPUT_LINT0_REMOTE ? LVT_REMOTE_IRR : 0));
}

/* Vectors that others have put into this word, which is empty afterwards. */
static inline uint32_t arrived(uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED) ? __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) : 0;
}

/* SDM, "Interrupt Acceptance for Fixed Interrupts": TMR shows how each vector came last. */
static __attribute__((noinline)) void merge(struct local_apic *apic)
{
    __atomic_store_n(&apic->levels_arrived, 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&apic->posted.control, ~POSTED_OUTSTANDING, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t edges = arrived((uint32_t *)apic->posted.requests + i);
        uint32_t levels = arrived((uint32_t *)apic->levels + i);

        if (!(edges | levels))
            continue;
        apic_store(apic, APIC_IRR + i, apic_load(apic, APIC_IRR + i) | edges | levels);
        apic_store(apic, APIC_TMR + i, (apic_load(apic, APIC_TMR + i) & ~edges) | levels);
    }
    show_remote_irr(apic);
}

void apic_merge(struct local_apic *apic)
{
    if (unlikely(__atomic_load_n(&apic->posted.control, __ATOMIC_SEQ_CST) & POSTED_OUTSTANDING ||
                 __atomic_load_n(&apic->levels_arrived, __ATOMIC_SEQ_CST)))
        merge(apic);
}

/* SDM, "Error Handling": one interrupt until ESR is written again. */
void apic_error(struct local_apic *apic, uint32_t error)
{
    if (__atomic_fetch_or(&apic->errors, error, __ATOMIC_SEQ_CST) == 0)
        local_apic_raise_lvt(apic, APIC_LVT_ERROR);
}

/* LINT0 as a level: accepted once, and again after each EOI while the pin is asserted. */
static void serve_lint0_level(struct local_apic *apic)
{
    uint32_t lvt = apic_load(apic, APIC_LVT_LINT0);

    if (lvt & LVT_MASKED || !(lvt & LVT_LEVEL) || LVT_DELIVERY(lvt) != APIC_FIXED ||
        !(apic_inputs(apic) & INPUT_LINT0))
        return;
    if (apic_input_set(apic, INPUT_LINT0_REMOTE) & INPUT_LINT0_REMOTE)
        return;
    if (!apic_accept(apic, LVT_VECTOR(lvt), true))
        apic_input_clear(apic, INPUT_LINT0_REMOTE);
}

void local_apic_raise_lvt(struct local_apic *apic, enum apic_reg entry)
{
    uint32_t lvt = apic_load(apic, entry);

    if (lvt & LVT_MASKED || !apic_enabled(apic))
        return;
    switch (LVT_DELIVERY(lvt)) {
    case APIC_FIXED:
        if (entry == APIC_LVT_LINT0 && lvt & LVT_LEVEL)
            serve_lint0_level(apic);
        else
            apic_accept(apic, LVT_VECTOR(lvt), false);
        break;
    case APIC_NMI:
        vcpu_request_nmi(apic->vcpu);
        break;
    case APIC_INIT:
        vcpu_request(apic->vcpu, REQUEST_INIT);
        break;
    case APIC_EXTINT: /* the pin itself is what counts, in external_pending() */
        vcpu_request(apic->vcpu, REQUEST_EVENT);
        break;
    }
}

static void set_lint(struct local_apic *apic, unsigned pin, bool asserted)
{
    uint32_t bit = pin ? INPUT_LINT1 : INPUT_LINT0;

    if (!asserted) {
        apic_input_clear(apic, bit);
        return;
    }
    if (apic_input_set(apic, bit) & bit)
        return;
    /* SDM, "Enabling or Disabling the Local APIC": disabled, the pins are INTR and NMI. */
    if (apic_enabled(apic))
        local_apic_raise_lvt(apic, pin ? APIC_LVT_LINT1 : APIC_LVT_LINT0);
    else if (pin)
        vcpu_request_nmi(apic->vcpu);
    else
        vcpu_request(apic->vcpu, REQUEST_EVENT);
}

void local_apic_group_set_lint(void *state, unsigned pin, bool asserted)
{
    struct local_apic_group *group = state;

    for (unsigned i = 0; i < group->count; i++)
        set_lint(&group->members[i], pin, asserted);
}

void apic_lint0_changed(struct local_apic *apic)
{
    uint32_t lvt = apic->reg[APIC_LVT_LINT0].low;

    if (!(lvt & LVT_LEVEL) || LVT_DELIVERY(lvt) != APIC_FIXED)
        apic_input_clear(apic, INPUT_LINT0_REMOTE);
    show_remote_irr(apic);
    if (lvt & LVT_MASKED || !(apic_inputs(apic) & INPUT_LINT0))
        return;
    if (LVT_DELIVERY(lvt) == APIC_EXTINT)
        vcpu_request(apic->vcpu, REQUEST_EVENT);
    else
        serve_lint0_level(apic);
}

/* Kept out of apic_end(): most interrupts are edges. */
static __attribute__((noinline)) void end_level(struct local_apic *apic, unsigned vector)
{
    if (LVT_VECTOR(apic->reg[APIC_LVT_LINT0].low) == vector && apic_inputs(apic) & INPUT_LINT0_REMOTE) {
        apic_input_clear(apic, INPUT_LINT0_REMOTE);
        show_remote_irr(apic);
        serve_lint0_level(apic);
    }
    if (!(apic->reg[APIC_SVR].low & SVR_SUPPRESS_EOI))
        apic->config.eoi.broadcast(apic->config.eoi.owner, vector);
}

void apic_end(struct local_apic *apic)
{
    int vector = apic_highest(apic, APIC_ISR);

    if (vector < 0)
        return;
    apic_remove(apic, APIC_ISR, vector);
    if (unlikely(apic_has(apic, APIC_TMR, vector)))
        end_level(apic, vector);
    apic_reconsider(apic);
}

/* Whether the external controller has an interrupt for this vCPU. */
static bool external_pending(const struct local_apic *apic, uint32_t inputs)
{
    uint32_t lvt = apic_load(apic, APIC_LVT_LINT0);

    if (inputs & INPUT_EXTINT)
        return true;
    if (!(inputs & INPUT_LINT0))
        return false;
    return !apic_enabled(apic) || (!(lvt & LVT_MASKED) && LVT_DELIVERY(lvt) == APIC_EXTINT);
}

int apic_pending(void *state)
{
    struct local_apic *apic = state;
    uint32_t inputs = apic_inputs(apic);

    apic_merge(apic);
    if (unlikely(inputs & (INPUT_LINT0 | INPUT_EXTINT)) && external_pending(apic, inputs))
        return INTERRUPT_EXTERNAL;
    return deliverable(apic);
}

int apic_acknowledge(void *state)
{
    struct local_apic *apic = state;
    int vector = apic_pending(apic);

    if (vector < 0)
        return -1;
    if (vector == INTERRUPT_EXTERNAL) {
        apic_input_clear(apic, INPUT_EXTINT);
        return apic->config.extint.acknowledge(apic->config.extint.owner);
    }
    if (apic->vcpu->arch.apic.delivers)
        return -1;
    apic_remove(apic, APIC_IRR, vector);
    apic_add(apic, APIC_ISR, vector);
    return vector;
}

unsigned apic_get_tpr(void *state)
{
    struct local_apic *apic = state;

    return apic->reg[APIC_TPR].low >> 4;
}

/* SDM, "Interaction of Task Priorities between CR8 and APIC". */
void apic_set_tpr(void *state, unsigned priority)
{
    struct local_apic *apic = state;

    apic_store(apic, APIC_TPR, (priority & 0xf) << 4);
    apic_reconsider(apic);
}

void apic_ended(void *state, unsigned vector)
{
    if (apic_has(state, APIC_TMR, vector & 0xff))
        end_level(state, vector & 0xff);
}

/* SDM, "Local APIC Status and Location": with the APIC off in hardware, LINT0 is the processor's INTR pin. */
bool local_apic_lint0_is_open(const struct local_apic *apic, bool interrupts)
{
    uint32_t lvt = apic_load(apic, APIC_LVT_LINT0);
    bool vectored = LVT_DELIVERY(lvt) == APIC_FIXED || LVT_DELIVERY(lvt) == APIC_EXTINT;

    if (!apic_enabled(apic))
        return interrupts;
    return !(lvt & LVT_MASKED) && (interrupts || !vectored);
}
