#include "hv/load/bios.h"

#include "bios_code.h"
#include "hv/lib/string.h"
#include "hv/load/guest_map.h"
#include "hv/x86/pc.h"

/* bios.nasm's, in its order; the code begins with their offsets in the extended BIOS data area. */
enum bios_handler { ABSENT, NOTHING, TICK, KEY, END_MASTER, END_SLAVE, END_AUX, HANDLERS };

_Static_assert(BIOS_CODE + sizeof(bios_code) <= MAP_BASE_END - MAP_EBDA, "the code fits into the EBDA");

/* From which vector on an interrupt has which handler, up to the next row. */
static const struct {
    uint8_t first, handler;
} vectors[] = {
    {0x00, NOTHING}, {PC_BIOS_IRQS, TICK},
    {0x09, KEY},     {0x0a, END_MASTER},
    {0x10, ABSENT},  {0x1b, NOTHING}, /* Ctrl-Break, the user's tick, three tables that are not there */
    {0x20, NOTHING}, {PC_BIOS_SLAVE_IRQS, END_SLAVE},
    {0x74, END_AUX}, {0x75, END_SLAVE},
    {0x78, NOTHING},
};

static uint8_t handler_of(unsigned vector)
{
    unsigned row = 0;

    while (row + 1 < ARRAY_LENGTH(vectors) && vectors[row + 1].first <= vector)
        row++;
    return vectors[row].handler;
}

static bool write_vectors(const struct guest_mem *memory)
{
    uint16_t offsets[HANDLERS];

    memcpy(offsets, bios_code, sizeof(offsets));
    if (!guest_write(memory, MAP_EBDA + BIOS_CODE, bios_code, sizeof(bios_code)))
        return false;
    for (unsigned vector = 0; vector < 256; vector++) {
        uint32_t entry = (uint32_t)MAP_EBDA << 12 | offsets[handler_of(vector)];

        if (!guest_write(memory, 4 * vector, &entry, sizeof(entry)))
            return false;
    }
    return true;
}

#define EQUIPMENT_FPU   BIT(1)
#define EQUIPMENT_COLOR (2 << 4) /* text of 80 columns */
#define EQUIPMENT_COM1  BIT(9)
#define KEYS            0x1e /* the keyboard buffer's place: 16 words */
#define KEYS_END        0x3e

/* The BIOS data area as IBM's PCs have laid it out; what is not named is 0. */
static const struct {
    uint16_t at, value;
} words[] = {
    {0x400, PC_COM1},
    {0x40e, MAP_EBDA >> 4},
    {0x410, EQUIPMENT_FPU | EQUIPMENT_COLOR | EQUIPMENT_COM1},
    {0x413, MAP_EBDA >> 10}, /* base memory in KiB */
    {0x41a, KEYS},           /* the next key to take, and where the next one goes */
    {0x41c, KEYS},
    {0x449, 80 << 8 | 3}, /* the mode's number; columns */
    {0x44c, 0x1000},      /* bytes of a page of text */
    {0x460, 0x0d0e},      /* the cursor's last line and first */
    {0x463, 0x3d4},       /* the CRT controller */
    {0x465, 0x3029},      /* its mode and palette registers, as last written */
    {0x480, KEYS},
    {0x482, KEYS_END},
    {0x484, 16 << 8 | 24}, /* the last row; lines of a character */
    {0x487, 0xf960},       /* a VGA with 256 KiB, active */
};

bool bios_write(const struct guest_mem *memory)
{
    uint16_t kibibytes = (MAP_BASE_END - MAP_EBDA) >> 10; /* the EBDA begins with its size */

    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++)
        if (!guest_write(memory, words[i].at, &words[i].value, sizeof(words[i].value)))
            return false;
    return guest_write(memory, MAP_EBDA, &kibibytes, sizeof(kibibytes)) && write_vectors(memory);
}
