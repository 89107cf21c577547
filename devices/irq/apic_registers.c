/* The local APIC's registers as software sees them: the xAPIC page and the x2APIC MSRs. */
#include "devices/irq/apic_internal.h"

/* What software may do with a register in each mode. No bit: there is no such register. */
#define X_READ     BIT(0)
#define X_WRITE    BIT(1)
#define X2_READ    BIT(2)
#define X2_WRITE   BIT(3)
#define READ       (X_READ | X2_READ)
#define READ_WRITE (READ | X_WRITE | X2_WRITE)
#define WRITE      (X_WRITE | X2_WRITE)

struct apic_register {
    uint32_t (*read)(struct local_apic *apic, enum apic_reg reg); /* NULL: reads as it is kept */
    void (*write)(struct local_apic *apic, enum apic_reg reg, uint64_t value);
    uint64_t writable; /* an xAPIC write ignores the other bits */
    uint64_t accepted; /* bits that an x2APIC write may set though they are not writable: read-only ones */
    uint8_t access;
};

static void write_plain(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    apic_store(apic, reg, value);
}

static void write_tpr(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    apic_store(apic, reg, value);
    apic_reconsider(apic);
}

static void write_eoi(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    (void)reg, (void)value;
    apic_end(apic);
}

static void write_dfr(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    apic_store(apic, reg, value | 0x0fffffff);
}

static void write_esr(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    (void)value;
    apic_store(apic, reg, __atomic_exchange_n(&apic->errors, 0, __ATOMIC_SEQ_CST));
}

/* In xAPIC mode the upper half has a register of its own. */
static void write_icr(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    apic_store(apic, reg, value);
    if (apic_is_x2apic(apic))
        apic->reg[APIC_ICR].high = value >> 32;
    apic_send(apic);
}

static void write_lvt(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    if (!(apic->reg[APIC_SVR].low & SVR_ENABLED))
        value |= LVT_MASKED;
    if (reg == APIC_LVT_TIMER) {
        apic_timer_set_lvt(apic, value);
        return;
    }
    apic_store(apic, reg, value);
    if (reg == APIC_LVT_LINT0)
        apic_lint0_changed(apic);
}

/* While software-disabled every entry is masked: SDM, "Local APIC State After It Has Been Software Disabled".
 */
static void write_svr(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    apic_store(apic, reg, value);
    if (!(value & SVR_ENABLED))
        for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++)
            write_lvt(apic, lvt, apic_load(apic, lvt) | LVT_MASKED);
}

static void write_initial_count(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    (void)reg;
    apic_timer_set_count(apic, value);
}

static void write_divide(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    (void)reg;
    apic_timer_set_divide(apic, value);
}

static void write_self_ipi(struct local_apic *apic, enum apic_reg reg, uint64_t value)
{
    (void)reg;
    if (value < 16)
        apic_error(apic, ESR_SEND_ILLEGAL);
    else
        apic_accept(apic, value, false);
}

/* What arriving interrupts change. */
static uint32_t read_merged(struct local_apic *apic, enum apic_reg reg)
{
    apic_merge(apic);
    return apic->reg[reg].low;
}

static uint32_t read_current_count(struct local_apic *apic, enum apic_reg reg)
{
    (void)reg;
    return apic_timer_count(apic);
}

static uint32_t read_ppr(struct local_apic *apic, enum apic_reg reg)
{
    (void)reg;
    return apic_ppr(apic);
}

/* clang-format off */

/* SDM, "Local APIC Register Address Map" and "Local APIC Register Address Map Supported by x2APIC". */
static const struct apic_register registers[APIC_REGS] = {
    [APIC_ID]            = {.access = READ},
    [APIC_VERSION]       = {.access = READ},
    [APIC_TPR]           = {.access = READ_WRITE, .write = write_tpr, .writable = 0xff},
    [APIC_APR]           = {.access = X_READ}, /* the Pentium 4 and later have these two in name only */
    [APIC_RRD]           = {.access = X_READ},
    [APIC_PPR]           = {.access = READ, .read = read_ppr},
    [APIC_EOI]           = {.access = WRITE, .write = write_eoi},
    [APIC_LDR]           = {.access = READ | X_WRITE, .write = write_plain, .writable = 0xff000000},
    [APIC_DFR]           = {.access = X_READ | X_WRITE, .write = write_dfr, .writable = 0xf0000000},
    [APIC_SVR]           = {.access = READ_WRITE, .write = write_svr,
                            .writable = 0xff | SVR_ENABLED | SVR_FOCUS_DISABLED | SVR_SUPPRESS_EOI},
    [APIC_ISR ... APIC_ESR - 1] = {.access = READ, .read = read_merged},
    [APIC_ESR]           = {.access = READ_WRITE, .write = write_esr},
    [APIC_ICR]           = {.access = READ_WRITE, .write = write_icr, .writable = 0xffffffff000ccfff,
                            .accepted = LVT_STATUS},
    [APIC_ICR2]          = {.access = X_READ | X_WRITE, .write = write_plain, .writable = 0xff000000},
    [APIC_LVT_TIMER]     = {.access = READ_WRITE, .write = write_lvt, .writable = 0x700ff, .accepted = LVT_STATUS},
    [APIC_LVT_THERMAL]   = {.access = READ_WRITE, .write = write_lvt, .writable = 0x107ff, .accepted = LVT_STATUS},
    [APIC_LVT_PMC]       = {.access = READ_WRITE, .write = write_lvt, .writable = 0x107ff, .accepted = LVT_STATUS},
    [APIC_LVT_LINT0]     = {.access = READ_WRITE, .read = read_merged, .write = write_lvt, .writable = 0x1a7ff,
                            .accepted = LVT_STATUS | LVT_REMOTE_IRR},
    [APIC_LVT_LINT1]     = {.access = READ_WRITE, .write = write_lvt, .writable = 0x1a7ff,
                            .accepted = LVT_STATUS | LVT_REMOTE_IRR},
    [APIC_LVT_ERROR]     = {.access = READ_WRITE, .write = write_lvt, .writable = 0x100ff, .accepted = LVT_STATUS},
    [APIC_INITIAL_COUNT] = {.access = READ_WRITE, .write = write_initial_count, .writable = UINT32_MAX},
    [APIC_CURRENT_COUNT] = {.access = READ, .read = read_current_count},
    [APIC_DIVIDE]        = {.access = READ_WRITE, .write = write_divide, .writable = 0xb},
    [APIC_SELF_IPI]      = {.access = X2_WRITE, .write = write_self_ipi, .writable = 0xff},
};

/* clang-format on */

static inline uint32_t read_register(struct local_apic *apic, enum apic_reg reg)
{
    const struct apic_register *entry = &registers[reg];

    return entry->read ? entry->read(apic, reg) : apic_load(apic, reg);
}

/* Whether the xAPIC page has such a register at all; SELF IPI is of the x2APIC alone. */
static bool page_has(uint64_t reg)
{
    return reg < APIC_REGS && registers[reg].access & (X_READ | X_WRITE);
}

/*
 * Software is to read and write whole registers, at their 16-byte boundaries. A narrower read sees its bytes
 * of the register; the 12 bytes after each register read as 0, and other writes than whole ones are ignored.
 */
static bool page_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct local_apic *apic = device->state;
    uint64_t reg = offset >> 4;

    *value = 0;
    if (unlikely(!page_has(reg)))
        apic_error(apic, ESR_ILLEGAL_REGISTER);
    else if ((offset & 15) < 4 && registers[reg].access & X_READ)
        *value = read_register(apic, reg) >> 8 * (offset & 3) & size_mask(size);
    return true;
}

static bool page_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct local_apic *apic = device->state;
    uint64_t reg = offset >> 4;

    if (unlikely(!page_has(reg)))
        apic_error(apic, ESR_ILLEGAL_REGISTER);
    else if (likely(size == 4 && !(offset & 15) && registers[reg].access & X_WRITE))
        registers[reg].write(apic, reg, value & registers[reg].writable);
    return true;
}

static bool x2apic_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct local_apic *apic = device->state;

    (void)size;
    if (!apic_is_x2apic(apic) || offset >= APIC_REGS || !(registers[offset].access & X2_READ))
        return false;
    *value = read_register(apic, offset);
    if (offset == APIC_ICR)
        *value |= (uint64_t)apic->reg[APIC_ICR].high << 32;
    return true;
}

static bool x2apic_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct local_apic *apic = device->state;
    const struct apic_register *entry = &registers[offset % APIC_REGS];

    (void)size;
    if (!apic_is_x2apic(apic) || offset >= APIC_REGS || !(entry->access & X2_WRITE) ||
        value & ~(entry->writable | entry->accepted))
        return false;
    entry->write(apic, offset, value & entry->writable);
    return true;
}

/*
 * SDM, "APIC-Write VM Exits": the guest's value is in the page, whatever it is, and is written once more as
 * it should be. Of the registers that may be read only, hardware lets the guest write the id.
 */
void apic_written(struct local_apic *apic, enum apic_reg reg)
{
    const struct apic_register *entry = &registers[reg];
    uint32_t value = apic->reg[reg].low;

    apic_store(apic, APIC_ID, apic_shown_id(apic));
    if (!(entry->access & (apic_is_x2apic(apic) ? X2_WRITE : X_WRITE)))
        return;
    if (!entry->writable)
        apic_store(apic, reg, 0);
    entry->write(apic, reg, value & entry->writable);
}

static void describe_set(const struct local_apic *apic, const char *name, enum apic_reg first,
                         struct writer *out)
{
    print_to(out, "%s", name);
    for (unsigned vector = 0; vector < 256; vector++)
        if (apic_has(apic, first, vector) || (first == APIC_IRR && apic_arrived(apic, vector)))
            print_to(out, " %02x", vector);
    print_to(out, "\n");
}

static void describe_registers(struct local_apic *apic, struct writer *out)
{
    static const char *const names[] = {"timer", "thermal", "pmc", "lint0", "lint1", "error"};
    static const char *const modes[8] = {"fixed", "lowest", "smi", "3", "nmi", "init", "6", "extint"};

    print_to(out, "id 0x%08x version 0x%08x svr 0x%03x%s tpr 0x%02x ppr 0x%02x\n", apic->reg[APIC_ID].low,
             apic->reg[APIC_VERSION].low, apic->reg[APIC_SVR].low, apic_accepts(apic) ? "" : " (disabled)",
             apic->reg[APIC_TPR].low, apic_ppr(apic));
    print_to(out, "ldr 0x%08x dfr 0x%08x icr 0x%08x%08x esr 0x%02x, since 0x%02x\n", apic->reg[APIC_LDR].low,
             apic->reg[APIC_DFR].low, apic->reg[APIC_ICR2].low, apic->reg[APIC_ICR].low,
             apic->reg[APIC_ESR].low, apic->errors);
    describe_set(apic, "isr", APIC_ISR, out);
    describe_set(apic, "irr", APIC_IRR, out);
    describe_set(apic, "tmr", APIC_TMR, out);
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
        uint32_t lvt = read_register(apic, APIC_LVT_TIMER + i);

        print_to(out, "%-7s 0x%05x vector 0x%02x %s%s\n", names[i], lvt, (unsigned)LVT_VECTOR(lvt),
                 modes[LVT_DELIVERY(lvt)], lvt & LVT_MASKED ? " masked" : "");
    }
}

/* The registers are shown once: by the device through which software reaches them now. */
static void describe_page(struct device *device, struct writer *out)
{
    struct local_apic *apic = device->state;

    if (apic_enabled(apic) && !apic_is_x2apic(apic))
        describe_registers(apic, out);
}

static void describe_x2apic(struct device *device, struct writer *out)
{
    struct local_apic *apic = device->state;

    if (apic_is_x2apic(apic))
        describe_registers(apic, out);
}

const struct device_ops apic_page_ops = {
    .read = page_read, .write = page_write, .describe = describe_page, .width = 4};
const struct device_ops apic_x2apic_ops = {
    .read = x2apic_read, .write = x2apic_write, .describe = describe_x2apic, .width = 8};
