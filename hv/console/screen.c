#include "hv/console/screen.h"

#include "hv/console/font.h"
#include "hv/host/log_ring.h"
#include "hv/host/paging.h"
#include "hv/lib/spinlock.h"
#include "hv/lib/string.h"

#define CELL_WIDTH   8
#define CELL_HEIGHT  16
#define COLUMNS_MOST 160
#define ROWS_MOST    64

/* Types of a framebuffer (Multiboot2 Specification, "Framebuffer info"). */
#define TYPE_RGB     1
#define TYPE_TEXT    2

#define VGA_TEXT     0xb8000
#define GREY         0x0700 /* VGA's attribute for a letter */

static struct {
    hpa_t address;
    uint8_t *base; /* NULL: it is not there, or not yet */
    uint32_t pitch;
    uint64_t size;
    unsigned depth; /* bytes of a pixel; 0: text */
    unsigned columns, rows, column, row;
} screen;

static char cells[ROWS_MOST][COLUMNS_MOST];
static struct spinlock lock;

static void draw_point(uint8_t *at, bool on)
{
    if (screen.depth == 4)
        *(volatile uint32_t *)at = on ? UINT32_MAX : 0;
    else
        for (unsigned i = 0; i < screen.depth; i++)
            ((volatile uint8_t *)at)[i] = on ? 0xff : 0;
}

static void draw(unsigned row, unsigned column, char letter)
{
    const uint8_t *shape = font[letter - FONT_FIRST];
    uint8_t *at = screen.base + (uint64_t)row * CELL_HEIGHT * screen.pitch +
                  (uint64_t)column * CELL_WIDTH * screen.depth;

    cells[row][column] = letter;
    if (!screen.depth) {
        ((volatile uint16_t *)(screen.base + row * screen.pitch))[column] = (uint16_t)(GREY | letter);
        return;
    }
    for (unsigned y = 0; y < CELL_HEIGHT; y++, at += screen.pitch)
        for (unsigned x = 0; x < FONT_WIDTH; x++)
            draw_point(at + (x + 1) * screen.depth, shape[x] >> (y / 2) & 1);
}

/* The screen's memory is slow, and slower to read: only letters that change are drawn. */
static void new_line(void)
{
    screen.column = 0;
    if (++screen.row < screen.rows)
        return;
    screen.row--;
    for (unsigned row = 0; row < screen.rows; row++)
        for (unsigned column = 0; column < screen.columns; column++) {
            char letter = row == screen.row ? ' ' : cells[row + 1][column];

            if (letter != cells[row][column])
                draw(row, column, letter);
        }
}

static void put(char letter)
{
    if (letter == '\n') {
        new_line();
        return;
    }
    if (screen.column == screen.columns)
        new_line();
    if (letter < FONT_FIRST || letter > FONT_LAST)
        letter = '?';
    draw(screen.row, screen.column++, letter);
}

static void write(const char *text, size_t length)
{
    spin_lock(&lock);
    for (size_t i = 0; i < length; i++)
        put(text[i]);
    spin_unlock(&lock);
}

/* Clears it, and shows what the log has so far. */
static void show(uint8_t *base)
{
    screen.base = base;
    memset(cells, ' ', sizeof(cells));
    memset(base, 0, screen.size); /* in text, the letter 0 is blank as well */
    write(log_ring.text, MIN(log_ring.written, sizeof(log_ring.text)));
    log_screen = write;
}

/* false: nothing that can be shown on. */
static bool take(const struct boot_framebuffer *in)
{
    bool is_text = in->type == TYPE_TEXT;

    screen.address = in->address;
    screen.pitch = in->pitch;
    screen.size = (uint64_t)in->pitch * in->height;
    screen.depth = is_text ? 0 : (in->bits_per_pixel + 7) / 8;
    screen.columns = MIN(is_text ? in->width : in->width / CELL_WIDTH, COLUMNS_MOST);
    screen.rows = MIN(is_text ? in->height : in->height / CELL_HEIGHT, ROWS_MOST);
    return screen.columns && screen.rows && (is_text || (in->type == TYPE_RGB && screen.depth - 1 < 4)) &&
           in->pitch >= (uint64_t)in->width * (is_text ? 2 : screen.depth) &&
           in->address + screen.size > in->address;
}

void screen_start(const struct boot_info *info)
{
    static const struct boot_framebuffer vga = {
        .address = VGA_TEXT, .pitch = 160, .width = 80, .height = 25, .type = TYPE_TEXT};
    const struct boot_framebuffer *in = &info->framebuffer;

    memset(&screen, 0, sizeof(screen));
    if (!in->address && !info->efi_system_table)
        in = &vga;
    if (!in->address || !take(in))
        screen.size = 0;
    else if (in->address + screen.size <= GIB(4))
        show((uint8_t *)in->address);
}

void screen_move(void)
{
    bool shown = screen.base;

    if (!screen.size)
        return;
    screen.base = host_map(screen.address, screen.size, HOST_DEVICE);
    if (!screen.base)
        log_screen = NULL;
    else if (!shown)
        show(screen.base);
}

void screen_panic(void)
{
    spin_break(&lock);
}
