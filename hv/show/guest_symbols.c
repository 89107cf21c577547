#include "hv/show/guest_symbols.h"

#include "hv/lib/string.h"
#include "hv/load/load.h"
#include "hv/vm/vm.h"

#define NAME_MOST 80

/* A line of nm's, and of Linux's System.map: "ffffffff81000000 T _text". Only code counts. */
struct line {
    uint64_t address;
    const char *name;
    size_t length;
};

static unsigned digit(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Returns where the next line begins; line->length is 0 if this one names no code. */
static const char *take_line(const char *at, const char *end, struct line *line)
{
    *line = (struct line){0};
    for (; at < end && digit(*at) < 16; at++)
        line->address = line->address << 4 | digit(*at);
    if (end - at > 3 && at[0] == ' ' && at[1] && at[2] == ' ' && strchr("TtWw", at[1]))
        line->name = at + 3;
    while (at < end && *at != '\n')
        at++;
    if (line->name)
        while (line->name + line->length < at && line->name[line->length] > ' ' && line->length < NAME_MOST)
            line->length++;
    return at + 1;
}

void guest_symbol_print(const struct vm *vm, uint64_t address, struct writer *out)
{
    const struct module *file = vm->symbols;
    struct line line, best = {0};
    const char *at, *end;

    if (!file)
        return;
    at = (const char *)file->bytes;
    for (end = at + file->size; at < end;) {
        at = take_line(at, end, &line);
        if (line.length && line.address <= address && (!best.length || line.address >= best.address))
            best = line;
    }
    if (best.length)
        print_to(out, " (%.*s+0x%lx)", (int)best.length, best.name, address - best.address);
}
