/* What every fuzzer is: libFuzzer calls it with one input after the other. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true whatever the input. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

/* The input is taken from its front; what is missing is 0. */
struct input {
    const uint8_t *at;
    size_t left;
};

/* The next 1 to 8 bytes, little-endian. */
static inline uint64_t take(struct input *input, unsigned size)
{
    uint64_t value = 0;
    size_t got = input->left < size ? input->left : size;

    memcpy(&value, input->at, got);
    input->at += got, input->left -= got;
    return value;
}
