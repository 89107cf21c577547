#include "hv/lib/number.h"

int hex_value(char digit)
{
    char lower = (char)(digit | ('a' - 'A'));

    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

const char *read_number(const char *text, unsigned base, uint64_t *value)
{
    const char *first;
    int digit;

    if (text[0] == '0' && (text[1] | ('a' - 'A')) == 'x') {
        base = 16;
        text += 2;
    }
    *value = 0;
    for (first = text; (digit = hex_value(*text)) >= 0 && (unsigned)digit < base; text++)
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value))
            return NULL;
    return text > first ? text : NULL;
}
