/* A local APIC put together: what the core calls of it (struct interrupt_controller), its page, its MSRs, its
 * timer. */
#include "devices/irq/apic_internal.h"

static void written(void *state, unsigned offset)
{
    apic_written(state, (offset >> 4) % APIC_REGS);
}

static void reset(void *state, bool init)
{
    local_apic_reset(state, init);
}

static void tsc_changed(void *state)
{
    apic_timer_tsc_changed(state);
}

static void resumed(void *state)
{
    struct local_apic *apic = state;

    apic_timer_resumed(apic);
    apic->config.resumed.call(apic->config.resumed.owner);
}

static bool enabled(void *state)
{
    return apic_enabled(state);
}

static const struct interrupt_controller controller = {
    .pending = apic_pending,
    .acknowledge = apic_acknowledge,
    .get_tpr = apic_get_tpr,
    .set_tpr = apic_set_tpr,
    .reset = reset,
    .tsc_changed = tsc_changed,
    .resumed = resumed,
    .written = written,
    .ended = apic_ended,
    .enabled = enabled,
};

void local_apic_init(struct local_apic *apic, const struct local_apic_config *config)
{
    *apic = (struct local_apic){
        .vcpu = config->vcpu,
        .config = *config,
        .page = {"local apic", &apic_page_ops, apic, NULL},
        .base_msr = {"apic base", &apic_base_ops, apic, NULL},
        .deadline_msr = {"tsc deadline", &apic_deadline_ops, apic, NULL},
        .x2apic_msrs = {"x2apic", &apic_x2apic_ops, apic, NULL},
    };
    apic_timer_init(apic);
    apic->vcpu->arch.interrupts = controller;
    apic->vcpu->arch.interrupts.state = apic;
    apic->vcpu->local.device = &apic->page;
    apic->vcpu->arch.apic.registers = &apic->reg[0].low;
    apic->vcpu->arch.apic.posted = &apic->posted;
}

unsigned local_apic_msr_ranges(struct local_apic *apic, struct bus_range ranges[3])
{
    ranges[0] = (struct bus_range){IA32_APIC_BASE, IA32_APIC_BASE, &apic->base_msr};
    ranges[1] = (struct bus_range){X2APIC_FIRST, X2APIC_LAST, &apic->x2apic_msrs};
    ranges[2] = (struct bus_range){IA32_TSC_DEADLINE, IA32_TSC_DEADLINE, &apic->deadline_msr};
    return apic->config.tsc_deadline ? 3 : 2;
}
