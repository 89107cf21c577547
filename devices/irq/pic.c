#include "devices/irq/pic.h"

#include "hv/x86/pc.h"

/* The 8259A data sheet names the words and their bits. A0 is the port's lowest address bit. */
#define ICW1_IC4     0x01 /* ICW4 will follow */
#define ICW1_SNGL    0x02 /* no cascade, no ICW3 */
#define ICW1_LTIM    0x08 /* every pin level-triggered */
#define ICW1         0x10 /* marks ICW1 among the words at A0 = 0 */
#define ICW4_AEOI    0x02
#define ICW4_SFNM    0x10
#define OCW3         0x08 /* marks OCW3 among the words at A0 = 0 */
#define OCW3_RIS     0x01
#define OCW3_RR      0x02
#define OCW3_POLL    0x04
#define OCW3_SMM     0x20
#define OCW3_ESMM    0x40
#define POLL_REQUEST 0x80

#define CASCADE      2 /* the master's pin that the slave's INT drives, and the slave's ID in ICW3 */
#define SPURIOUS     7

/* What PCs' BIOSes leave open: timer, keyboard, cascade, diskette; aux, coprocessor, disk. */
#define OPEN_MASTER  0xb8
#define OPEN_SLAVE   0x8f

/* The timer, the keyboard, the cascade, the RTC and the coprocessor are wired for edges. */
#define ELCR_MASTER  0xf8
#define ELCR_SLAVE   0xde

static uint8_t level_pins(const struct pic_chip *chip)
{
    return chip->level ? 0xff : chip->elcr;
}

/*
 * The request register. An edge stays latched when its line falls before it was acknowledged, where silicon
 * would answer with a spurious interrupt: Keel's devices may signal an edge by a pulse of no length.
 */
static uint8_t requests(const struct pic_chip *chip)
{
    uint8_t level = level_pins(chip);

    return (chip->latched & ~level) | (chip->lines & level);
}

/* How urgent the most urgent of `pins` is: 0 (most) to 7, or 8 for none. */
static unsigned urgency(const struct pic_chip *chip, uint8_t pins)
{
    unsigned first = (chip->lowest + 1) & 7;
    unsigned rotated = (pins >> first | pins << (8 - first)) & 0xff;

    return rotated ? __builtin_ctz(rotated) : 8;
}

static unsigned pin_of_urgency(const struct pic_chip *chip, unsigned urgent)
{
    return (chip->lowest + 1 + urgent) & 7;
}

/* The pin whose request the chip passes on now, or -1. */
static int request_pin(const struct pic_chip *chip)
{
    unsigned wanted = urgency(chip, requests(chip) & ~chip->imr);
    /* Special mask mode: a masked level in service holds nobody back. */
    unsigned serving = urgency(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);
    unsigned pin = pin_of_urgency(chip, wanted);

    if (wanted == 8 || chip->next_icw)
        return -1;
    if (wanted < serving)
        return pin;
    /* Special fully nested mode: a slave in service may ask again, for a more urgent pin of its own. */
    if (wanted == serving && chip->icw4 & ICW4_SFNM && !chip->single && chip->icw3 & BIT(pin))
        return pin;
    return -1;
}

/* The slave's INT is a level on the master's cascade pin: it follows the slave's requests. */
static void update(struct pic *pic)
{
    struct pic_chip *master = &pic->chips[0];
    uint8_t cascade = request_pin(&pic->chips[1]) >= 0 ? BIT(CASCADE) : 0;
    bool asserted;

    master->lines = (master->lines & ~BIT(CASCADE)) | cascade;
    master->latched = (master->latched & ~BIT(CASCADE)) | cascade;
    asserted = request_pin(master) >= 0;
    if (asserted != pic->intr_asserted) {
        pic->intr_asserted = asserted;
        irq_line_set(&pic->intr, asserted);
    }
}

void pic_set_line(void *state, unsigned pin, bool asserted)
{
    struct pic *pic = state;
    struct pic_chip *chip = &pic->chips[pin >> 3 & 1];
    uint8_t bit = BIT(pin & 7);

    if (pin == CASCADE || pin > 15 || !(chip->lines & bit) == !asserted)
        return;
    chip->lines ^= bit;
    if (asserted)
        chip->latched |= bit;
    update(pic);
}

/* One chip's part of an acknowledge cycle. Returns the pin, or -1 if there is no request. */
static int take(struct pic_chip *chip)
{
    int pin = request_pin(chip);

    if (pin < 0)
        return -1;
    chip->latched &= ~BIT(pin);
    if (!(chip->icw4 & ICW4_AEOI))
        chip->isr |= BIT(pin);
    else if (chip->rotate_on_auto_eoi)
        chip->lowest = pin;
    return pin;
}

/* What the data bus carries in the second cycle when the master has taken `pin`. */
static int vector_of(struct pic *pic, int pin)
{
    const struct pic_chip *master = &pic->chips[0];
    struct pic_chip *slave = &pic->chips[1];

    if (pin < 0)
        return master->base + SPURIOUS;
    if (master->single || !(master->icw3 & BIT(pin)))
        return master->base + pin;
    if (pin != CASCADE || (slave->icw3 & 7) != CASCADE || slave->single)
        return 0xff; /* the master leaves the bus to a slave that is not there */
    pin = take(slave);
    return slave->base + (pin < 0 ? SPURIOUS : pin);
}

int pic_acknowledge(void *state)
{
    struct pic *pic = state;
    int vector = vector_of(pic, take(&pic->chips[0]));

    /* INT falls with each acknowledge: what is still wanted is a new edge for an I/O APIC's ExtINT pin. */
    if (pic->intr_asserted) {
        pic->intr_asserted = false;
        irq_line_set(&pic->intr, false);
    }
    update(pic);
    return vector;
}

/* OCW1: what comes behind a masked pin is latched all the same. */
static void write_imr(struct pic *pic, struct pic_chip *chip, uint8_t value)
{
    bool opens = chip->imr & ~value;

    if (opens)
        irq_sources_update(&pic->sources);
    chip->imr = value;
    if (opens)
        irq_sources_update(&pic->sources);
}

static void write_icw1(struct pic *pic, struct pic_chip *chip, uint8_t value)
{
    irq_sources_update(&pic->sources);
    chip->latched = 0; /* only an edge from now on counts */
    chip->isr = chip->imr = 0;
    chip->lowest = 7;
    chip->special_mask = chip->reads_isr = chip->poll = chip->rotate_on_auto_eoi = false;
    chip->icw4 = 0;
    chip->wants_icw4 = value & ICW1_IC4;
    chip->single = value & ICW1_SNGL;
    chip->level = value & ICW1_LTIM;
    chip->next_icw = 2;
}

/* ICW2 to ICW4, in turn, at A0 = 1. ICW4's other bits (8085 mode, buffer pins) make no difference on a PC. */
static void write_icw(struct pic_chip *chip, uint8_t value)
{
    unsigned after = chip->next_icw + 1;

    if (chip->next_icw == 2)
        chip->base = value & 0xf8;
    else if (chip->next_icw == 3)
        chip->icw3 = value;
    else
        chip->icw4 = value;
    if (after == 3 && chip->single)
        after = 4;
    chip->next_icw = after == 3 || (after == 4 && chip->wants_icw4) ? after : 0;
}

/* The pin whose service a non-specific EOI ends. In special mask mode it passes over the masked ones. */
static int eoi_pin(const struct pic_chip *chip)
{
    unsigned serving = urgency(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);

    return serving == 8 ? -1 : (int)pin_of_urgency(chip, serving);
}

/* OCW2's upper three bits: R (rotate), SL (the pin is given), EOI. */
struct ocw2_command {
    bool specific, ends, rotates, sets_auto, auto_value;
};

static const struct ocw2_command ocw2_commands[8] = {
    [0] = {.sets_auto = true},
    [1] = {.ends = true},
    [2] = {0},
    [3] = {.specific = true, .ends = true},
    [4] = {.sets_auto = true, .auto_value = true},
    [5] = {.ends = true, .rotates = true},
    [6] = {.specific = true, .rotates = true},
    [7] = {.specific = true, .ends = true, .rotates = true},
};

static void write_ocw2(struct pic_chip *chip, uint8_t value)
{
    const struct ocw2_command *command = &ocw2_commands[value >> 5];
    int pin = command->specific ? value & 7 : eoi_pin(chip);

    if (command->sets_auto)
        chip->rotate_on_auto_eoi = command->auto_value;
    if (pin < 0)
        return;
    if (command->ends)
        chip->isr &= ~BIT(pin);
    if (command->rotates)
        chip->lowest = pin;
}

static void write_ocw3(struct pic_chip *chip, uint8_t value)
{
    if (value & OCW3_ESMM)
        chip->special_mask = value & OCW3_SMM;
    if (value & OCW3_POLL)
        chip->poll = true;
    else if (value & OCW3_RR)
        chip->reads_isr = value & OCW3_RIS;
}

static struct pic *pair_of(struct pic_chip *chip)
{
    return container_of(chip - chip->number, struct pic, chips);
}

static bool write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic_chip *chip = device->state;
    struct pic *pic = pair_of(chip);

    (void)size;
    if (offset == 0) {
        if (value & ICW1)
            write_icw1(pic, chip, value);
        else if (value & OCW3)
            write_ocw3(chip, value);
        else
            write_ocw2(chip, value);
    } else if (chip->next_icw) {
        write_icw(chip, value);
        if (!chip->next_icw)
            irq_sources_update(&pic->sources);
    } else {
        write_imr(pic, chip, value);
    }
    update(pic);
    return true;
}

/* The read after a poll command is an acknowledge cycle of this chip alone, at either address. */
static __attribute__((noinline)) uint8_t poll(struct pic_chip *chip)
{
    struct pic *pic = pair_of(chip);
    int pin;

    irq_sources_update(&pic->sources);
    pin = take(chip);
    chip->poll = false;
    update(pic);
    return pin < 0 ? 0 : POLL_REQUEST | pin;
}

static __attribute__((noinline)) uint8_t read_requests(struct pic_chip *chip)
{
    irq_sources_update(&pair_of(chip)->sources);
    return requests(chip);
}

static bool read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct pic_chip *chip = device->state;

    (void)size;
    if (unlikely(chip->poll))
        *value = poll(chip);
    else if (offset == 1)
        *value = chip->imr;
    else if (chip->reads_isr)
        *value = chip->isr;
    else
        *value = read_requests(chip);
    return true;
}

static bool elcr_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct pic *pic = device->state;

    (void)size;
    *value = pic->chips[offset & 1].elcr;
    return true;
}

static bool elcr_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pic *pic = device->state;
    struct pic_chip *chip = &pic->chips[offset & 1];
    uint8_t elcr = value & chip->elcr_writable;

    (void)size;
    chip->latched &= ~(chip->elcr ^ elcr); /* what was asserted as a level is no edge later */
    chip->elcr = elcr;
    update(pic);
    return true;
}

/* With no firmware in the guest, the pair comes up as a PC's firmware leaves it, but all masked. */
static void reset(struct device *device)
{
    struct pic *pic = container_of(device, struct pic, master);

    for (unsigned i = 0; i < 2; i++) {
        struct pic_chip *chip = &pic->chips[i];

        *chip = (struct pic_chip){
            .number = (uint8_t)i,
            .lines = chip->lines,
            .imr = 0xff,
            .elcr_writable = i ? ELCR_SLAVE : ELCR_MASTER,
            .base = i ? PC_BIOS_SLAVE_IRQS : PC_BIOS_IRQS,
            .icw3 = i ? CASCADE : BIT(CASCADE),
            .lowest = 7,
        };
    }
    update(pic);
}

bool pic_is_open(const struct pic *pic, unsigned pin)
{
    const struct pic_chip *chip = &pic->chips[pin >> 3 & 1];

    return !chip->next_icw && !(chip->imr & BIT(pin & 7)) && (pin < 8 || pic_is_open(pic, CASCADE));
}

void pic_unmask(struct pic *pic)
{
    irq_sources_update(&pic->sources);
    pic->chips[0].latched = pic->chips[1].latched = 0; /* firmware has served what came until now */
    write_imr(pic, &pic->chips[0], OPEN_MASTER);
    write_imr(pic, &pic->chips[1], OPEN_SLAVE);
    update(pic);
}

static void describe(struct device *device, struct writer *out)
{
    const struct pic_chip *chip = device->state;

    print_to(out, "irr %02x isr %02x imr %02x elcr %02x lines %02x\n", requests(chip), chip->isr, chip->imr,
             chip->elcr, chip->lines);
    print_to(out, "base %02x lowest priority ir%u icw3 %02x icw4 %02x%s%s%s%s%s\n", chip->base, chip->lowest,
             chip->icw3, chip->icw4, chip->single ? " single" : "", chip->level ? " level" : "",
             chip->special_mask ? " special-mask" : "", chip->rotate_on_auto_eoi ? " rotate-on-auto-eoi" : "",
             chip->next_icw ? " initializing" : "");
}

static void describe_elcr(struct device *device, struct writer *out)
{
    const struct pic *pic = device->state;

    print_to(out, "level-triggered irqs %02x%02x\n", pic->chips[1].elcr, pic->chips[0].elcr);
}

static const struct device_ops master_ops = {
    .read = read, .write = write, .reset = reset, .describe = describe, .width = 1};
static const struct device_ops slave_ops = {.read = read, .write = write, .describe = describe, .width = 1};
static const struct device_ops elcr_ops = {
    .read = elcr_read, .write = elcr_write, .describe = describe_elcr, .width = 1};

void pic_init(struct pic *pic, struct spinlock *lock)
{
    *pic = (struct pic){
        .master = {"pic master", &master_ops, &pic->chips[0], lock},
        .slave = {"pic slave", &slave_ops, &pic->chips[1], lock},
        .elcr = {"pic elcr", &elcr_ops, pic, lock},
    };
    reset(&pic->master);
}
