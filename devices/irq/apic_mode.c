/* The local APIC's modes: IA32_APIC_BASE, RESET and INIT. */
#include "devices/irq/apic_internal.h"
#include "hv/cpu/apic_page.h"
#include "hv/cpu/cpuid.h"
#include "hv/x86/pc.h"

/* 6 local vector table entries (no CMCI), and suppression of EOI broadcasts. */
#define VERSION           (UINT32_C(0x01050000) | PC_LOCAL_APIC_VERSION)

#define BASE_LOW_RESERVED (0xff | BIT(9))

/* SDM, "x2APIC State Transitions": where one write may lead from each mode. */
static const uint8_t transitions[4] = {
    [APIC_DISABLED] = BIT(APIC_DISABLED) | BIT(APIC_XAPIC),
    [APIC_XAPIC] = BIT(APIC_DISABLED) | BIT(APIC_XAPIC) | BIT(APIC_X2APIC),
    [APIC_X2APIC] = BIT(APIC_DISABLED) | BIT(APIC_X2APIC),
};

static const char *const mode_names[4] = {"disabled", "invalid", "xAPIC", "x2APIC"};

static enum apic_mode mode_of(uint64_t base)
{
    return base >> 10 & 3;
}

/* The physical id does not change, not even by a write in xAPIC mode; the x2APIC's logical one follows it. */
static void set_ids(struct local_apic *apic)
{
    uint32_t id = apic->vcpu->id;

    apic_store(apic, APIC_ID, apic_shown_id(apic));
    apic_store(apic, APIC_LDR, apic_is_x2apic(apic) ? id >> 4 << 16 | UINT32_C(1) << (id & 15) : 0);
    apic_store(apic, APIC_DFR, UINT32_MAX);
    apic_store(apic, APIC_ICR2, 0);
    apic->reg[APIC_ICR].high = 0;
}

/* SDM, "Local APIC State After Power-Up or Reset". */
static uint32_t reset_value(enum apic_reg reg)
{
    if (reg >= APIC_LVT_TIMER && reg <= APIC_LVT_ERROR)
        return LVT_MASKED;
    return reg == APIC_VERSION ? VERSION : reg == APIC_SVR ? 0xff : 0;
}

/* The pins are as their drivers have them. Each register goes from its old value straight to its new one. */
static void reset_registers(struct local_apic *apic)
{
    apic_timer_reset(apic);
    apic_merge(apic);
    for (unsigned i = 0; i < APIC_REGS; i++)
        apic_store(apic, i, reset_value(i));
    set_ids(apic);
    __atomic_store_n(&apic->errors, 0, __ATOMIC_RELAXED);
    apic_input_clear(apic, INPUT_EXTINT | INPUT_LINT0_REMOTE);
}

/* Makes the machine around the APIC see IA32_APIC_BASE as it is. */
static void place(struct local_apic *apic)
{
    vcpu_place_apic(apic->vcpu, mode_of(apic->base), apic->base & ~PAGE_MASK);
}

void local_apic_reset(struct local_apic *apic, bool init)
{
    if (!init)
        __atomic_store_n(&apic->base,
                         PC_LOCAL_APIC | APIC_BASE_EN | (apic->config.bootstrap ? APIC_BASE_BSP : 0),
                         __ATOMIC_SEQ_CST);
    reset_registers(apic);
    if (!init)
        place(apic);
}

void local_apic_firmware_setup(struct local_apic *apic)
{
    apic_store(apic, APIC_SVR, SVR_ENABLED | 0xff);
    if (!apic->config.bootstrap)
        return;
    apic_store(apic, APIC_LVT_LINT0, APIC_EXTINT << 8);
    apic_store(apic, APIC_LVT_LINT1, APIC_NMI << 8);
    apic_lint0_changed(apic);
}

/* EN or EXTD has changed. */
static void mode_changed(struct local_apic *apic, enum apic_mode mode)
{
    if (mode == APIC_X2APIC) {
        set_ids(apic);
        return;
    }
    /* Disabled, all but the id is lost. Enabled again, so is what other cores were just delivering then. */
    reset_registers(apic);
    vcpu_cpuid_changed(apic->vcpu);
    if (mode == APIC_DISABLED && apic_inputs(apic) & INPUT_LINT0)
        vcpu_request(apic->vcpu, REQUEST_EVENT);
}

static bool base_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct local_apic *apic = device->state;

    (void)offset, (void)size;
    *value = apic->base;
    return true;
}

static bool base_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct local_apic *apic = device->state;
    uint64_t old = apic->base;
    enum apic_mode from = mode_of(old), to = mode_of(value);

    (void)offset, (void)size;
    if (value & BASE_LOW_RESERVED || value >> apic->config.physical_bits || !(transitions[from] & BIT(to)) ||
        (value & APIC_BASE_EXTD && !apic->config.x2apic))
        return false;
    __atomic_store_n(&apic->base, value, __ATOMIC_SEQ_CST);
    if (to != from)
        mode_changed(apic, to);
    if (to != from || (value ^ old) & ~PAGE_MASK)
        place(apic);
    return true;
}

static void describe(struct device *device, struct writer *out)
{
    struct local_apic *apic = device->state;

    print_to(out, "apic base 0x%lx %s%s\n", (unsigned long)(apic->base & ~PAGE_MASK),
             mode_names[mode_of(apic->base)], apic->base & APIC_BASE_BSP ? " bsp" : "");
}

const struct device_ops apic_base_ops = {
    .read = base_read, .write = base_write, .describe = describe, .width = 8};
