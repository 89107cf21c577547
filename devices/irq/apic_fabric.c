/* Messages to local APICs: who is addressed, and what each does with one (SDM, "Issuing Interprocessor
 * Interrupts"). */
#include "devices/irq/apic_internal.h"
#include "hv/event/event.h"

#define DFR_FLAT    0xf
#define DFR_CLUSTER 0x0

static bool broadcasts(const struct apic_message *message)
{
    return message->destination == (message->x2apic ? UINT32_MAX : 0xff);
}

/* SDM, "Logical Destination Mode" and "Logical Destination Mode in x2APIC Mode". */
static bool logical_match(const struct local_apic *apic, uint32_t destination)
{
    uint32_t ldr = apic_load(apic, APIC_LDR), id = ldr >> 24;

    if (apic_is_x2apic(apic))
        return destination >> 16 == ldr >> 16 && destination & ldr & 0xffff;
    if (destination > 0xff)
        return false;
    switch (apic_load(apic, APIC_DFR) >> 28) {
    case DFR_FLAT:
        return destination & id;
    case DFR_CLUSTER:
        return destination >> 4 == id >> 4 && destination & id & 0xf;
    }
    return false;
}

static bool addressed(const struct local_apic *apic, const struct apic_message *message)
{
    if (!apic_enabled(apic))
        return false;
    if (broadcasts(message))
        return true;
    if (message->logical)
        return logical_match(apic, message->destination);
    return message->destination == apic->vcpu->id;
}

/* What an enabled APIC does with a message, by delivery mode. Software-disabled it still obeys the last four.
 */
typedef bool receiver(struct local_apic *apic, const struct apic_message *message);

static bool receive_fixed(struct local_apic *apic, const struct apic_message *message)
{
    return apic_accept(apic, message->vector, message->level);
}

static bool receive_extint(struct local_apic *apic, const struct apic_message *message)
{
    (void)message;
    if (!apic_accepts(apic))
        return false;
    apic_input_set(apic, INPUT_EXTINT);
    vcpu_request(apic->vcpu, REQUEST_EVENT);
    return true;
}

/* A VM has no system management mode: its SMIs are all handled, in no time. */
static bool receive_smi(struct local_apic *apic, const struct apic_message *message)
{
    (void)apic, (void)message;
    return true;
}

static bool receive_nmi(struct local_apic *apic, const struct apic_message *message)
{
    (void)message;
    vcpu_request_nmi(apic->vcpu);
    return true;
}

static bool receive_init(struct local_apic *apic, const struct apic_message *message)
{
    (void)message;
    vcpu_request(apic->vcpu, REQUEST_INIT);
    return true;
}

static bool receive_startup(struct local_apic *apic, const struct apic_message *message)
{
    __atomic_store_n(&apic->vcpu->arch.sipi_vector, message->vector, __ATOMIC_RELAXED);
    vcpu_request(apic->vcpu, REQUEST_SIPI);
    return true;
}

static receiver *const receivers[8] = {
    [APIC_FIXED] = receive_fixed,     [APIC_LOWEST] = receive_fixed, [APIC_EXTINT] = receive_extint,
    [APIC_SMI] = receive_smi,         [APIC_NMI] = receive_nmi,      [APIC_INIT] = receive_init,
    [APIC_STARTUP] = receive_startup,
};

static bool receive(struct local_apic *apic, const struct apic_message *message)
{
    receiver *act = receivers[message->delivery & 7];

    return act && apic_enabled(apic) && act(apic, message);
}

/* Of those addressed, the one with the lowest processor priority; equals take turns. */
static struct local_apic *arbitrate(struct local_apic_group *group, const struct apic_message *message,
                                    const struct local_apic *except)
{
    unsigned at = __atomic_load_n(&group->turn, __ATOMIC_RELAXED), lowest = UINT32_MAX;
    struct local_apic *best = NULL;

    for (unsigned left = group->count; left > 0; left--, at++) {
        struct local_apic *apic;
        unsigned ppr;

        if (at >= group->count)
            at = 0;
        apic = &group->members[at];
        if (apic == except || !addressed(apic, message) || !apic_accepts(apic))
            continue;
        ppr = apic_ppr(apic);
        if (ppr < lowest) {
            lowest = ppr;
            best = apic;
        }
    }
    if (best)
        __atomic_store_n(&group->turn, best->vcpu->id + 1, __ATOMIC_RELAXED);
    return best;
}

/* `except`, if not NULL, is the sender of a message to all others. */
static bool deliver(struct local_apic_group *group, const struct apic_message *message,
                    const struct local_apic *except)
{
    bool accepted = false;

    if (message->delivery == APIC_LOWEST) {
        struct local_apic *best = arbitrate(group, message, except);

        return best && receive(best, message);
    }
    for (unsigned i = 0; i < group->count; i++)
        if (&group->members[i] != except && addressed(&group->members[i], message))
            accepted |= receive(&group->members[i], message);
    return accepted;
}

bool local_apic_deliver(void *owner, const struct apic_message *message)
{
    struct local_apic_group *group = owner;

    /* A physical id is an index: the usual case needs no search. */
    if (likely(!message->logical && message->destination < group->count))
        return receive(&group->members[message->destination], message);
    return deliver(group, message, NULL);
}

void apic_send(struct local_apic *apic)
{
    bool x2apic = apic_is_x2apic(apic);
    uint32_t icr = apic->reg[APIC_ICR].low;
    struct apic_message message = {
        .destination = x2apic ? apic->reg[APIC_ICR].high : apic->reg[APIC_ICR2].low >> 24,
        .delivery = LVT_DELIVERY(icr),
        .vector = LVT_VECTOR(icr),
        .logical = icr & ICR_LOGICAL,
        .x2apic = x2apic,
    };

    if (message.delivery <= APIC_LOWEST && message.vector < 16) {
        apic_error(apic, ESR_SEND_ILLEGAL);
        return;
    }
    if (message.delivery == APIC_INIT && icr & ICR_LEVEL && !(icr & ICR_ASSERT))
        return; /* INIT level de-assert: no processor since the Pentium 4 does anything with it */
    if (message.delivery == APIC_EXTINT)
        return; /* reserved in this register */
    if (likely(ICR_SHORTHAND(icr) == SHORTHAND_NONE)) {
        local_apic_deliver(apic->config.group, &message);
        return;
    }
    if (ICR_SHORTHAND(icr) == SHORTHAND_SELF) {
        receive(apic, &message);
        return;
    }
    message.destination = message.x2apic ? UINT32_MAX : 0xff;
    deliver(apic->config.group, &message, ICR_SHORTHAND(icr) == SHORTHAND_ALL_OTHERS ? apic : NULL);
}
