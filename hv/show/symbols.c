#include "hv/show/symbols.h"

#include "hv/lib/string.h"

/* As boot/symbols.awk writes them: sorted offsets from image_start, and the names in the same order. */
extern const char image_start[], text_end[];
extern const uint32_t symbol_count __attribute__((weak));
extern const uint32_t symbol_table[] __attribute__((weak));
extern const char symbol_names[] __attribute__((weak));

const char *symbol_at(uint64_t address, uint64_t *offset)
{
    const char *name = symbol_names;
    uint64_t at = address - (uint64_t)image_start;
    unsigned low = 0, high;

    if (address < (uint64_t)image_start || address >= (uint64_t)text_end || !&symbol_count)
        return NULL;
    high = symbol_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (symbol_table[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    *offset = at - symbol_table[low - 1];
    for (unsigned i = 1; i < low; i++)
        name += strlen(name) + 1;
    return name;
}
