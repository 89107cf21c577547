#include "devices/vga.h"

#include "hv/host/clock.h"
#include "hv/lib/arith.h"
#include "hv/lib/string.h"

/* Ports from the first of each device. */
enum { INDEX = 0, DATA = 1, STATUS = 6 }; /* of 0x3B4 and 0x3D4 */

#define MISC_COLOR          BIT(0) /* the CRT controller is at 0x3D4, not 0x3B4 */
#define CRTC_OVERFLOW       0x07
#define CRTC_RETRACE_END    0x11
#define CRTC_PROTECT        BIT(7) /* in it: registers 0 to 7 are read-only but for bit 4 of 7 */
#define CRTC_LINE_COMPARE_8 BIT(4)
#define ATTRIBUTE_INDEX     0x3f /* its bit 5 lets the palette drive the screen */
#define ATTRIBUTE_NUMBER    0x1f
#define PEL_READING         3
#define COLOR_MASK          0x3f

#define STATUS_BLANK        BIT(0) /* horizontal or vertical */
#define STATUS_RETRACE      BIT(3) /* vertical */
#define LINES_HZ            31469
#define LINES               449
#define LINES_SHOWN         400
#define LINES_TO_RETRACE    412
#define LINE_PARTS          100 /* of a line; and how many of them show something */
#define LINE_PARTS_SHOWN    80

/* 80 columns of text, 25 rows of 16 lines (mode 3). */
static const uint8_t text_crtc[VGA_CRTC] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                            0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                            0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
static const uint8_t text_sequencer[VGA_SEQUENCER] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const uint8_t text_graphics[VGA_GRAPHICS] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff};
static const uint8_t text_attributes[VGA_ATTRIBUTES] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14,
                                                        0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,
                                                        0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};
#define TEXT_MISC  0x67
#define EGA_COLORS 64

/*
 * Where the beam is follows from the time. On silicon the retrace bit is set for two of the lines that are
 * not shown; here for all from these on, so that a guest whose every look costs an exit still sees it.
 */
static uint8_t status(void)
{
    uint64_t parts = mul_div(clock_now(), LINES_HZ * LINE_PARTS, clock_hz());
    uint64_t line = parts / LINE_PARTS % LINES;

    return (line >= LINES_SHOWN || parts % LINE_PARTS >= LINE_PARTS_SHOWN ? STATUS_BLANK : 0) |
           (line >= LINES_TO_RETRACE ? STATUS_RETRACE : 0);
}

/* An indexed register; what has no register reads as 0 and takes nothing. */
static uint8_t get(const uint8_t *bank, unsigned count, unsigned index)
{
    return index < count ? bank[index] : 0;
}

static void set(uint8_t *bank, unsigned count, unsigned index, uint8_t value)
{
    if (index < count)
        bank[index] = value;
}

static void write_crtc(struct vga *vga, uint8_t value)
{
    unsigned index = vga->crtc_index;

    if (vga->crtc[CRTC_RETRACE_END] & CRTC_PROTECT && index <= CRTC_OVERFLOW) {
        if (index != CRTC_OVERFLOW)
            return;
        value = (uint8_t)((vga->crtc[index] & ~CRTC_LINE_COMPARE_8) | (value & CRTC_LINE_COMPARE_8));
    }
    set(vga->crtc, VGA_CRTC, index, value);
}

/* The CRT controller answers at one of two places, as the miscellaneous output register says. */
static bool answers(const struct vga *vga, const struct device *device)
{
    return (device == &vga->color) == (vga->misc & MISC_COLOR);
}

static bool crtc_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct vga *vga = device->state;

    (void)size;
    if (!answers(vga, device))
        return false;
    if (offset == INDEX) {
        *value = vga->crtc_index;
    } else if (offset == DATA) {
        *value = get(vga->crtc, VGA_CRTC, vga->crtc_index);
    } else if (offset == STATUS) {
        vga->attribute_data = false;
        *value = status();
    } else {
        return false;
    }
    return true;
}

static bool crtc_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vga *vga = device->state;

    (void)size;
    if (!answers(vga, device))
        return false;
    if (offset == INDEX)
        vga->crtc_index = (uint8_t)value;
    else if (offset == DATA)
        write_crtc(vga, (uint8_t)value);
    else if (offset == STATUS)
        vga->feature = (uint8_t)value;
    else
        return false;
    return true;
}

static uint8_t read_palette(struct vga *vga)
{
    uint8_t value = vga->palette[vga->read_color][vga->read_part];

    if (++vga->read_part == 3) {
        vga->read_part = 0;
        vga->read_color++;
    }
    return value;
}

/* A color changes with its third part. */
static void write_palette(struct vga *vga, uint8_t value)
{
    vga->written[vga->write_part] = value & COLOR_MASK;
    if (++vga->write_part < 3)
        return;
    memcpy(vga->palette[vga->write_color++], vga->written, sizeof(vga->written));
    vga->write_part = 0;
}

static void write_attribute(struct vga *vga, uint8_t value)
{
    if (vga->attribute_data)
        set(vga->attributes, VGA_ATTRIBUTES, vga->attribute_index & ATTRIBUTE_NUMBER, value);
    else
        vga->attribute_index = value & ATTRIBUTE_INDEX;
    vga->attribute_data = !vga->attribute_data;
}

static uint8_t read_attribute(struct vga *vga)
{
    return get(vga->attributes, VGA_ATTRIBUTES, vga->attribute_index & ATTRIBUTE_NUMBER);
}

static uint8_t read_sequencer(struct vga *vga)
{
    return get(vga->sequencer, VGA_SEQUENCER, vga->sequencer_index);
}

static void write_sequencer(struct vga *vga, uint8_t value)
{
    set(vga->sequencer, VGA_SEQUENCER, vga->sequencer_index, value);
}

static uint8_t read_graphics(struct vga *vga)
{
    return get(vga->graphics, VGA_GRAPHICS, vga->graphics_index);
}

static void write_graphics(struct vga *vga, uint8_t value)
{
    set(vga->graphics, VGA_GRAPHICS, vga->graphics_index, value);
}

/* Input status 0: no interrupt, no monitor sensed. */
static uint8_t read_input(struct vga *vga)
{
    (void)vga;
    return 0;
}

static void read_colors_from(struct vga *vga, uint8_t value)
{
    vga->read_color = value;
    vga->read_part = 0;
    vga->pel_state = PEL_READING;
}

static void write_colors_from(struct vga *vga, uint8_t value)
{
    vga->write_color = value;
    vga->write_part = 0;
    vga->pel_state = 0;
}

#define BYTE(field) offsetof(struct vga, field)

/* From 0x3C0 on: what a read gives and a write does; or which byte each is. Neither: nothing is there. */
static const struct port {
    uint8_t (*read)(struct vga *vga);
    void (*write)(struct vga *vga, uint8_t value);
    size_t read_at, write_at;
} ports[16] = {
    [0x0] = {.read_at = BYTE(attribute_index), .write = write_attribute},
    [0x1] = {.read = read_attribute},
    [0x2] = {.read = read_input, .write_at = BYTE(misc)},
    [0x3] = {.read_at = BYTE(enable), .write_at = BYTE(enable)},
    [0x4] = {.read_at = BYTE(sequencer_index), .write_at = BYTE(sequencer_index)},
    [0x5] = {.read = read_sequencer, .write = write_sequencer},
    [0x6] = {.read_at = BYTE(pel_mask), .write_at = BYTE(pel_mask)},
    [0x7] = {.read_at = BYTE(pel_state), .write = read_colors_from},
    [0x8] = {.read_at = BYTE(write_color), .write = write_colors_from},
    [0x9] = {.read = read_palette, .write = write_palette},
    [0xa] = {.read_at = BYTE(feature)},
    [0xc] = {.read_at = BYTE(misc)},
    [0xe] = {.read_at = BYTE(graphics_index), .write_at = BYTE(graphics_index)},
    [0xf] = {.read = read_graphics, .write = write_graphics},
};

static bool registers_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct port *port = &ports[offset];
    struct vga *vga = device->state;

    (void)size;
    if (port->read)
        *value = port->read(vga);
    else if (port->read_at)
        *value = ((uint8_t *)vga)[port->read_at];
    return port->read || port->read_at;
}

static bool registers_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct port *port = &ports[offset];
    struct vga *vga = device->state;

    (void)size;
    if (port->write)
        port->write(vga, (uint8_t)value);
    else if (port->write_at)
        ((uint8_t *)vga)[port->write_at] = (uint8_t)value;
    return port->write || port->write_at;
}

/* The 64 colors of an EGA, of which the attributes choose 16: bits 2 to 0 two thirds of red, green and blue,
 * 5 to 3 one. */
static void reset_palette(struct vga *vga)
{
    memset(vga->palette, 0, sizeof(vga->palette));
    for (unsigned color = 0; color < EGA_COLORS; color++)
        for (unsigned part = 0; part < 3; part++)
            vga->palette[color][part] =
                (uint8_t)((color >> (2 - part) & 1) * 42 + (color >> (5 - part) & 1) * 21);
}

static void reset(struct device *device)
{
    struct vga *vga = device->state;

    memcpy(vga->crtc, text_crtc, sizeof(vga->crtc));
    memcpy(vga->sequencer, text_sequencer, sizeof(vga->sequencer));
    memcpy(vga->graphics, text_graphics, sizeof(vga->graphics));
    memcpy(vga->attributes, text_attributes, sizeof(vga->attributes));
    vga->crtc_index = vga->sequencer_index = vga->graphics_index = 0;
    vga->attribute_index = ATTRIBUTE_INDEX & ~ATTRIBUTE_NUMBER;
    vga->attribute_data = false;
    vga->misc = TEXT_MISC;
    vga->feature = 0;
    vga->enable = 1;
    vga->pel_mask = 0xff;
    vga->pel_state = vga->read_color = vga->read_part = vga->write_color = vga->write_part = 0;
    reset_palette(vga);
}

static void describe(struct device *device, struct writer *out)
{
    const struct vga *vga = device->state;
    unsigned start = vga->crtc[0x0c] << 8 | vga->crtc[0x0d], cursor = vga->crtc[0x0e] << 8 | vga->crtc[0x0f];

    print_to(out, "crtc at %s start %04x cursor %04x%s misc %02x\n", vga->misc & MISC_COLOR ? "3d4" : "3b4",
             start, cursor, vga->crtc[0x0a] & BIT(5) ? " off" : "", vga->misc);
    print_to(out, "%s, sequencer memory mode %02x, graphics miscellaneous %02x\n",
             vga->graphics[6] & 1 ? "graphics" : "text", vga->sequencer[4], vga->graphics[6]);
}

static const struct device_ops crtc_ops = {.read = crtc_read, .write = crtc_write, .width = 1};
static const struct device_ops registers_ops = {
    .read = registers_read, .write = registers_write, .reset = reset, .describe = describe, .width = 1};

void vga_init(struct vga *vga, struct spinlock *lock)
{
    *vga = (struct vga){
        .mono = {"vga mono", &crtc_ops, vga, lock},
        .registers = {"vga", &registers_ops, vga, lock},
        .color = {"vga color", &crtc_ops, vga, lock},
    };
}
