/* Arithmetic that needs 128 bits in between. */
#pragma once

#include "hv/lib/base.h"

/* a * b / c rounded down, saturated to UINT64_MAX; c is not 0. */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t low, high, quotient, rest;

    __asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "rm"(b) : "cc");
    if (high >= c)
        return UINT64_MAX;
    __asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "rm"(c) : "cc");
    return quotient;
}

/* The one in the middle. */
static inline uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

/* A sum of products divided by c, rounded down; the quotient must fit 64 bits. */
static inline uint64_t div_wide(unsigned __int128 a, uint64_t c)
{
    uint64_t quotient, rest;

    __asm__("divq %4"
            : "=a"(quotient), "=d"(rest)
            : "a"((uint64_t)a), "d"((uint64_t)(a >> 64)), "rm"(c)
            : "cc");
    return quotient;
}
