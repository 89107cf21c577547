#include "devices/acpi_pm.h"

#include "hv/host/clock.h"
#include "hv/lib/arith.h"
#include "hv/x86/pc.h"

/* PM1 status and enable (ACPI, "PM1 Event Grouping"): the same bits in both. */
#define PM1_TIMER              BIT(0)
#define PM1_GLOBAL             BIT(5)
#define PM1_POWER_BUTTON       BIT(8)
/* The alarm as a wake-up event: it may be enabled, but there is no sleep to wake from. */
#define PM1_RTC                BIT(10)

/* What this PC has: no sleep button, no RTC wake, no bus master status. */
#define PM1_ENABLE_BITS        (PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_RTC)

/* PM1 control (ACPI, "PM1 Control Grouping"). SLP_EN and GBL_RLS are write-only, SCI_EN is the firmware's. */
#define CONTROL_SCI_EN         BIT(0)
#define CONTROL_BM_RLD         BIT(1)
#define CONTROL_SLP_TYP(value) ((value) >> 10 & 7)
#define CONTROL_SLP_EN         BIT(13)
#define CONTROL_KEPT           (CONTROL_BM_RLD | 7 << 10)

/* 16-bit registers of the block by index. */
enum { PM1_STATUS, PM1_ENABLE, PM1_CONTROL, TIMER_LOW = 4, TIMER_HIGH, GPE_STATUS, GPE_ENABLE };

_Static_assert(PC_PM1A_EVT == PC_PM_BASE && PC_PM1A_CNT == PC_PM_BASE + 2 * PM1_CONTROL &&
                   PC_PM_TMR == PC_PM_BASE + 2 * TIMER_LOW && PC_GPE0 == PC_PM_BASE + 2 * GPE_STATUS,
               "the block is laid out as hv/x86/pc.h says");

static inline uint64_t timer_ticks(void)
{
    return mul_div(clock_now(), PM_TIMER_HZ, clock_hz());
}

/* TMR_STS is set whenever the timer's highest bit changes (ACPI, "Power Management Timer"). */
static void update_timer_status(struct acpi_pm *pm)
{
    uint64_t carries = timer_ticks() >> (PC_PM_TMR_BITS - 1);

    if (carries != pm->carries)
        pm->pm1_status |= PM1_TIMER;
    pm->carries = carries;
}

/* Brings TMR_STS, the SCI and the host timer up to date: after anything that may change them. */
void acpi_pm_update(struct acpi_pm *pm)
{
    bool enabled = pm->pm1_control & CONTROL_SCI_EN;

    update_timer_status(pm);
    irq_line_set(&pm->sci, enabled && (pm->pm1_status & pm->pm1_enable || pm->gpe_status & pm->gpe_enable));
    if (enabled && pm->pm1_enable & PM1_TIMER && !(pm->pm1_status & PM1_TIMER) && irq_line_heard(&pm->sci)) {
        uint64_t carry = (pm->carries + 1) << (PC_PM_TMR_BITS - 1);

        timer_arm(&pm->timer, mul_div(carry, clock_hz(), PM_TIMER_HZ) + 1);
    } else {
        timer_cancel(&pm->timer);
    }
}

static void timer_expired(struct timer *timer)
{
    acpi_pm_update(container_of(timer, struct acpi_pm, timer));
}

static uint16_t read_register(const struct acpi_pm *pm, unsigned index, uint32_t ticks)
{
    switch (index) {
    case PM1_STATUS:
        return pm->pm1_status;
    case PM1_ENABLE:
        return pm->pm1_enable;
    case PM1_CONTROL:
        return pm->pm1_control;
    case TIMER_LOW:
        return ticks;
    case TIMER_HIGH:
        return ticks >> 16;
    case GPE_STATUS:
        return pm->gpe_status;
    case GPE_ENABLE:
        return pm->gpe_enable;
    default:
        return 0;
    }
}

static bool block_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct acpi_pm *pm = device->state;
    uint32_t ticks = timer_ticks();

    if (offset / 2 == PM1_STATUS)
        update_timer_status(pm);
    *value = 0;
    for (unsigned i = 0; i < size; i++) {
        uint16_t whole = read_register(pm, (offset + i) / 2, ticks);

        *value |= (uint64_t)(whole >> (offset + i) % 2 * 8 & 0xff) << (8 * i);
    }
    return true;
}

static void write_control(struct acpi_pm *pm, uint16_t value, uint16_t bits)
{
    pm->pm1_control = (pm->pm1_control & ~(bits & CONTROL_KEPT)) | (value & CONTROL_KEPT);
    /* The DSDT offers S5 and no other sleep; what it does not offer does nothing. */
    if (value & CONTROL_SLP_EN && CONTROL_SLP_TYP(value) == PC_SLP_TYP_S5)
        vm_stop(pm->vm, VM_POWERED_OFF, 0);
}

/* Writes the bits in `bits` of a register; `value` has no others. Every field lies within one byte. */
static void write_register(struct acpi_pm *pm, unsigned index, uint16_t value, uint16_t bits)
{
    switch (index) {
    case PM1_STATUS: /* a 1 clears */
        pm->pm1_status &= ~value;
        break;
    case PM1_ENABLE:
        pm->pm1_enable = ((pm->pm1_enable & ~bits) | value) & PM1_ENABLE_BITS;
        break;
    case PM1_CONTROL:
        write_control(pm, value, bits);
        break;
    case GPE_STATUS:
        pm->gpe_status &= ~value;
        break;
    case GPE_ENABLE:
        pm->gpe_enable = (pm->gpe_enable & ~bits) | value;
        break;
    }
}

static bool block_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct acpi_pm *pm = device->state;

    update_timer_status(pm);
    for (unsigned i = 0; i < size; i++) {
        unsigned shift = (offset + i) % 2 * 8;

        write_register(pm, (offset + i) / 2, (value >> (8 * i) & 0xff) << shift, 0xff << shift);
    }
    acpi_pm_update(pm);
    return true;
}

static bool smi_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct acpi_pm *pm = device->state;

    (void)size;
    *value = offset ? pm->smi_status : pm->smi_command;
    return true;
}

static bool smi_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct acpi_pm *pm = device->state;

    (void)size;
    if (offset) {
        pm->smi_status = value;
        return true;
    }
    pm->smi_command = value;
    if (value == PC_ACPI_ENABLE)
        pm->pm1_control |= CONTROL_SCI_EN;
    else if (value == PC_ACPI_DISABLE)
        pm->pm1_control &= ~CONTROL_SCI_EN;
    acpi_pm_update(pm);
    return true;
}

static void reset(struct device *device)
{
    struct acpi_pm *pm = device->state;

    pm->pm1_status = pm->pm1_enable = pm->pm1_control = 0;
    pm->gpe_status = pm->gpe_enable = 0;
    pm->smi_command = pm->smi_status = 0;
    pm->carries = timer_ticks() >> (PC_PM_TMR_BITS - 1);
    acpi_pm_update(pm);
}

static void describe(struct device *device, struct writer *out)
{
    const struct acpi_pm *pm = device->state;

    print_to(out, "PM1 status %04x enable %04x control %04x timer %08x GPE0 status %04x enable %04x\n",
             pm->pm1_status, pm->pm1_enable, pm->pm1_control, (uint32_t)timer_ticks(), pm->gpe_status,
             pm->gpe_enable);
}

static const struct device_ops block_ops = {
    .read = block_read, .write = block_write, .reset = reset, .describe = describe, .width = 4};
static const struct device_ops smi_ops = {.read = smi_read, .write = smi_write, .width = 1};

void acpi_pm_init(struct acpi_pm *pm, struct vm *vm)
{
    *pm = (struct acpi_pm){
        .block = {"ACPI PM", &block_ops, pm, &vm->lock},
        .smi = {"SMI command", &smi_ops, pm, &vm->lock},
        .vm = vm,
        .timer = {.expired = timer_expired, .lock = &vm->lock},
    };
}

bool acpi_pm_press_power_button(struct acpi_pm *pm)
{
    pm->pm1_status |= PM1_POWER_BUTTON;
    acpi_pm_update(pm);
    return pm->pm1_control & CONTROL_SCI_EN && pm->pm1_enable & PM1_POWER_BUTTON;
}

bool acpi_pm_may_raise(const void *state)
{
    const struct acpi_pm *pm = state;

    return pm->pm1_control & CONTROL_SCI_EN && (pm->pm1_enable || pm->gpe_enable);
}
