#include "devices/i8042.h"

/* Status register, port 0x64. */
#define STATUS_FULL      0x01 /* output buffer */
#define STATUS_SYSTEM    0x04 /* self-test passed: bit 2 of the command byte */
#define STATUS_COMMAND   0x08 /* the latest write was to port 0x64 */
#define STATUS_UNLOCKED  0x10 /* the key lock */
#define STATUS_AUX       0x20 /* the byte came from the aux port */
#define STATUS_TIMEOUT   0x40 /* a device did not answer */

/* Command byte, ram[0]. */
#define CCB_KEYBOARD_IRQ 0x01
#define CCB_AUX_IRQ      0x02
#define CCB_SYSTEM       0x04
#define CCB_KEYBOARD_OFF 0x10
#define CCB_AUX_OFF      0x20
#define CCB_TRANSLATE    0x40

/* Output port. Its bits 4 and 5 are the interrupt lines. */
#define OUT_RUN          0x01 /* low: the processor is held in reset */
#define OUT_A20          0x02
#define OUT_FIXED        0xc0 /* keyboard clock and data: idle */

#define IN_FIXED         0xb0 /* input port: keyboard not locked, no manufacturing jumper */

/* The keyboard's next byte; with translation on, set 2 becomes set 1: the prefix 0xF0 becomes bit 7. */
static bool keyboard_byte(struct i8042 *i8042, uint8_t *byte)
{
    uint8_t release = 0;

    if (!ps2_keyboard_send(&i8042->keyboard, byte))
        return false;
    if (!(i8042->ram[0] & CCB_TRANSLATE))
        return true;
    if (*byte == 0xf0) {
        release = 0x80;
        if (!ps2_keyboard_send(&i8042->keyboard, byte))
            return false;
    }
    *byte = ps2_set1_code(*byte) | release;
    return true;
}

/* Brings output buffer and interrupt lines up to date: after anything that may change them. */
static void update(struct i8042 *i8042)
{
    uint8_t ccb = i8042->ram[0];

    if (!i8042->output_flags) {
        /* The buffer was empty for a moment: each byte is an edge of its own for the interrupt controller. */
        irq_line_set(&i8042->keyboard_irq, false);
        irq_line_set(&i8042->aux_irq, false);
        if (i8042->reply_flags) {
            i8042->output = i8042->reply;
            i8042->output_flags = i8042->reply_flags;
            i8042->reply_flags = 0;
        } else if (!(ccb & CCB_KEYBOARD_OFF) && keyboard_byte(i8042, &i8042->output)) {
            i8042->output_flags = STATUS_FULL;
        }
    }
    irq_line_set(&i8042->keyboard_irq,
                 (i8042->output_flags & (STATUS_FULL | STATUS_AUX)) == STATUS_FULL && ccb & CCB_KEYBOARD_IRQ);
    irq_line_set(&i8042->aux_irq, i8042->output_flags & STATUS_AUX && ccb & CCB_AUX_IRQ);
}

static void reply(struct i8042 *i8042, uint8_t byte, uint8_t flags)
{
    i8042->reply = byte;
    i8042->reply_flags = STATUS_FULL | flags;
}

static uint8_t output_port(const struct i8042 *i8042)
{
    bool aux = i8042->output_flags & STATUS_AUX;
    bool keyboard = i8042->output_flags && !aux;

    return OUT_FIXED | OUT_RUN | (i8042->a20 ? OUT_A20 : 0) | keyboard << 4 | aux << 5;
}

static void set_output_port(struct i8042 *i8042, uint8_t value)
{
    i8042->a20 = value & OUT_A20;
    if (!(value & OUT_RUN))
        vm_stop(i8042->vm, VM_RESET, 0);
}

/* A byte for port 0x60 that a controller command waits for. */
static void take_parameter(struct i8042 *i8042, uint8_t command, uint8_t value)
{
    switch (command) {
    case 0xa5: /* Load Password, up to a 0; none is kept, so the keyboard can never be locked by one */
        if (value)
            i8042->pending = command;
        break;
    case 0xd1: /* Write Output Port */
        set_output_port(i8042, value);
        break;
    case 0xd2: /* Write Keyboard Output Buffer */
        reply(i8042, value, 0);
        break;
    case 0xd3: /* Write Auxiliary Device Output Buffer */
        reply(i8042, value, STATUS_AUX);
        break;
    case 0xd4: /* Write to Auxiliary Device: sending turns the port on, and nobody answers */
        i8042->ram[0] &= ~CCB_AUX_OFF;
        reply(i8042, 0xfe, STATUS_AUX | STATUS_TIMEOUT);
        break;
    default: /* 0x60-0x7f: Write Controller RAM */
        i8042->ram[command & 0x1f] = value;
    }
}

static void read_ram(struct i8042 *i8042, uint8_t command)
{
    reply(i8042, i8042->ram[command & 0x1f], 0);
}

static void wait_for_parameter(struct i8042 *i8042, uint8_t command)
{
    i8042->pending = command;
}

static void test_password(struct i8042 *i8042, uint8_t command)
{
    (void)command;
    reply(i8042, 0xf1, 0); /* none installed */
}

/* Commands 0xA7, 0xA8 (aux) and 0xAD, 0xAE (keyboard). */
static void switch_port(struct i8042 *i8042, uint8_t command)
{
    uint8_t bit = command < 0xad ? CCB_AUX_OFF : CCB_KEYBOARD_OFF;

    if (command & 1)
        i8042->ram[0] |= bit;
    else
        i8042->ram[0] &= ~bit;
}

/* Clock and data of an empty socket are pulled up, which is as right as a keyboard's. */
static void test_interface(struct i8042 *i8042, uint8_t command)
{
    (void)command;
    reply(i8042, 0x00, 0);
}

static void self_test(struct i8042 *i8042, uint8_t command)
{
    (void)command;
    i8042->ram[0] |= CCB_SYSTEM;
    i8042->output_flags = 0;
    reply(i8042, 0x55, 0);
}

static void read_input_port(struct i8042 *i8042, uint8_t command)
{
    (void)command;
    reply(i8042, IN_FIXED, 0);
}

static void read_output_port(struct i8042 *i8042, uint8_t command)
{
    (void)command;
    reply(i8042, output_port(i8042), 0);
}

static void switch_a20(struct i8042 *i8042, uint8_t command)
{
    i8042->a20 = command & OUT_A20;
}

/* The two clock lines: low while their port is off. */
static void read_test_inputs(struct i8042 *i8042, uint8_t command)
{
    uint8_t ccb = i8042->ram[0];

    (void)command;
    reply(i8042, (ccb & CCB_KEYBOARD_OFF ? 0 : 1) | (ccb & CCB_AUX_OFF ? 0 : 2), 0);
}

/* A bit of the command that is 0 pulls its output port bit low for 6 microseconds. */
static void pulse_output_port(struct i8042 *i8042, uint8_t command)
{
    if (!(command & OUT_RUN))
        vm_stop(i8042->vm, VM_RESET, 0);
}

/* What port 0x64 takes; the others are ignored, as the controller's firmware ignores them. */
static void (*const commands[256])(struct i8042 *i8042, uint8_t command) = {
    [0x20 ... 0x3f] = read_ram,
    [0x60 ... 0x7f] = wait_for_parameter, /* Write Controller RAM */
    [0xa4] = test_password,
    [0xa5] = wait_for_parameter, /* Load Password */
    [0xa7] = switch_port,
    [0xa8] = switch_port,
    [0xa9] = test_interface,
    [0xaa] = self_test,
    [0xab] = test_interface,
    [0xad] = switch_port,
    [0xae] = switch_port,
    [0xc0] = read_input_port,
    [0xd0] = read_output_port,
    [0xd1 ... 0xd4] = wait_for_parameter, /* Write Output Port, Output Buffers, Auxiliary Device */
    [0xdd] = switch_a20,
    [0xdf] = switch_a20,
    [0xe0] = read_test_inputs,
    [0xf0 ... 0xff] = pulse_output_port,
};

static bool data_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct i8042 *i8042 = device->state;

    (void)offset, (void)size;
    *value = i8042->output; /* an empty buffer still has its last byte */
    i8042->output_flags = 0;
    update(i8042);
    return true;
}

static bool data_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *i8042 = device->state;
    uint8_t command = i8042->pending;

    (void)offset, (void)size;
    i8042->command_last = false;
    i8042->pending = 0;
    if (command) {
        take_parameter(i8042, command, value);
    } else {
        /* Sending to the keyboard turns its port on. */
        i8042->ram[0] &= ~CCB_KEYBOARD_OFF;
        ps2_keyboard_receive(&i8042->keyboard, value);
    }
    update(i8042);
    return true;
}

static bool status_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct i8042 *i8042 = device->state;

    (void)offset, (void)size;
    *value = i8042->output_flags | STATUS_UNLOCKED | (i8042->ram[0] & CCB_SYSTEM ? STATUS_SYSTEM : 0) |
             (i8042->command_last ? STATUS_COMMAND : 0);
    return true;
}

static bool command_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct i8042 *i8042 = device->state;

    (void)offset, (void)size;
    i8042->command_last = true;
    i8042->pending = 0;
    if (commands[value & 0xff])
        commands[value & 0xff](i8042, value);
    update(i8042);
    return true;
}

static void reset(struct device *device)
{
    struct i8042 *i8042 = device->state;

    for (unsigned i = 0; i < ARRAY_LENGTH(i8042->ram); i++)
        i8042->ram[i] = 0;
    /* As a PC's firmware leaves it: self-test done, keyboard translated and with its interrupt, aux off. */
    i8042->ram[0] = CCB_TRANSLATE | CCB_SYSTEM | CCB_AUX_OFF | CCB_KEYBOARD_IRQ;
    i8042->output = i8042->output_flags = i8042->reply_flags = i8042->pending = 0;
    i8042->command_last = false;
    i8042->a20 = true;
    ps2_keyboard_reset(&i8042->keyboard);
    update(i8042);
}

static void describe(struct device *device, struct writer *out)
{
    const struct i8042 *i8042 = device->state;

    print_to(out, "command byte %02x output %02x flags %02x pending %02x a20 %d\n", i8042->ram[0],
             i8042->output, i8042->output_flags, i8042->pending, i8042->a20);
    print_to(out, "keyboard: set %d scanning %d leds %x rate %02x queued %u\n", i8042->keyboard.set,
             i8042->keyboard.scanning, i8042->keyboard.leds, i8042->keyboard.rate, i8042->keyboard.count);
}

static const struct device_ops data_ops = {
    .read = data_read, .write = data_write, .reset = reset, .describe = describe, .width = 1};
static const struct device_ops command_ops = {.read = status_read, .write = command_write, .width = 1};

void i8042_init(struct i8042 *i8042, struct vm *vm)
{
    *i8042 = (struct i8042){
        .data = {"i8042 data", &data_ops, i8042, &vm->lock},
        .command = {"i8042 command", &command_ops, i8042, &vm->lock},
        .vm = vm,
    };
}

bool i8042_may_raise(const void *state)
{
    const struct i8042 *i8042 = state;

    return (i8042->ram[0] & (CCB_KEYBOARD_IRQ | CCB_KEYBOARD_OFF)) == CCB_KEYBOARD_IRQ &&
           i8042->keyboard.scanning;
}

bool i8042_key(struct i8042 *i8042, bool extended, uint8_t code, bool up)
{
    bool taken = ps2_keyboard_key(&i8042->keyboard, extended, code, up);

    update(i8042);
    return taken;
}
