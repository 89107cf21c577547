#include "devices/ps2_keyboard.h"

#define ACK    0xfa
#define RESEND 0xfe
#define BREAK  0xf0

/* Set 2 to set 1 for codes below 0x80; what no key sends is translated as the 8042's own table does. */
static const uint8_t set1_of[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
};

uint8_t ps2_set1_code(uint8_t set2)
{
    if (set2 < ARRAY_LENGTH(set1_of))
        return set1_of[set2];
    return set2 == 0x83 ? 0x41 : set2 == 0x84 ? 0x54 : set2;
}

static void set_defaults(struct ps2_keyboard *keyboard)
{
    keyboard->set = 2;
    keyboard->rate = 0x2b; /* 10.9 characters a second after half a second */
    keyboard->first = keyboard->count = 0;
}

void ps2_keyboard_reset(struct ps2_keyboard *keyboard)
{
    *keyboard = (struct ps2_keyboard){.scanning = true};
    set_defaults(keyboard);
}

static void answer(struct ps2_keyboard *keyboard, uint8_t byte)
{
    if (keyboard->answers < ARRAY_LENGTH(keyboard->answer))
        keyboard->answer[keyboard->answers++] = byte;
}

/* The parameter of a command that has one. */
static void take_parameter(struct ps2_keyboard *keyboard, uint8_t command, uint8_t byte)
{
    switch (command) {
    case 0xed:
        keyboard->leds = byte & 7;
        break;
    case 0xf3:
        keyboard->rate = byte;
        break;
    case 0xf0:
        /* Set 3 is not there, as on many keyboards. */
        if (byte > 2) {
            answer(keyboard, RESEND);
            return;
        }
        answer(keyboard, ACK);
        if (byte == 0)
            answer(keyboard, keyboard->set);
        else
            keyboard->set = byte;
        return;
    }
    answer(keyboard, ACK);
}

/* Acknowledged, then so many bytes. */
static void answer_with(struct ps2_keyboard *keyboard, const uint8_t *bytes, unsigned count)
{
    answer(keyboard, ACK);
    for (unsigned i = 0; i < count; i++)
        answer(keyboard, bytes[i]);
}

static void take_command(struct ps2_keyboard *keyboard, uint8_t command)
{
    static const uint8_t id[] = {0xab, 0x83}, passed = 0xaa; /* of the basic assurance test */

    switch (command) {
    case 0xed: /* Set/Reset Status Indicators */
    case 0xf0: /* Select Alternate Scan Codes */
    case 0xf3: /* Set Typematic Rate/Delay */
        keyboard->command = command;
        break;
    case 0xee: /* Echo */
        answer(keyboard, command);
        return;
    case 0xf2: /* Read ID */
        answer_with(keyboard, id, 2);
        return;
    case 0xf4: /* Enable */
        keyboard->count = 0;
        keyboard->scanning = true;
        break;
    case 0xf5: /* Default Disable */
    case 0xf6: /* Set Default */
        set_defaults(keyboard);
        keyboard->scanning = command == 0xf6;
        break;
    case 0xf7 ... 0xfa: /* typematic, make and break for all keys: of effect in set 3 only */
        break;
    case 0xfe: /* Resend */
        answer(keyboard, keyboard->last);
        return;
    case 0xff: /* Reset */
        ps2_keyboard_reset(keyboard);
        answer_with(keyboard, &passed, 1);
        return;
    default:
        answer(keyboard, RESEND);
        return;
    }
    answer(keyboard, ACK);
}

void ps2_keyboard_receive(struct ps2_keyboard *keyboard, uint8_t byte)
{
    uint8_t command = keyboard->command;

    keyboard->answered = keyboard->answers = 0;
    keyboard->command = 0;
    /* No parameter has bit 7 set: such a byte is the next command. */
    if (command && byte < 0x80)
        take_parameter(keyboard, command, byte);
    else
        take_command(keyboard, byte);
}

bool ps2_keyboard_send(struct ps2_keyboard *keyboard, uint8_t *byte)
{
    if (keyboard->answered < keyboard->answers) {
        *byte = keyboard->answer[keyboard->answered++];
    } else if (keyboard->count > 0 && !keyboard->command) {
        *byte = keyboard->keys[keyboard->first];
        keyboard->first = (keyboard->first + 1) % PS2_KEYBOARD_QUEUE;
        keyboard->count--;
    } else {
        return false;
    }
    if (*byte != RESEND)
        keyboard->last = *byte;
    return true;
}

static void put_key(struct ps2_keyboard *keyboard, uint8_t byte)
{
    keyboard->keys[(keyboard->first + keyboard->count++) % PS2_KEYBOARD_QUEUE] = byte;
}

bool ps2_keyboard_key(struct ps2_keyboard *keyboard, bool extended, uint8_t code, bool up)
{
    bool break_prefix = up && keyboard->set == 2;

    if (!keyboard->scanning || keyboard->count + extended + break_prefix + 1 > PS2_KEYBOARD_QUEUE)
        return false;
    if (extended)
        put_key(keyboard, 0xe0);
    if (break_prefix)
        put_key(keyboard, BREAK);
    if (keyboard->set == 1)
        code = ps2_set1_code(code) | (up ? 0x80 : 0);
    put_key(keyboard, code);
    return true;
}
