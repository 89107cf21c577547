/* The letters of a screen that has none of its own: ASCII's, 5 columns of 8 points, the topmost in bit 0. */
#pragma once

#include "hv/lib/base.h"

#define FONT_FIRST 0x20
#define FONT_LAST  0x7e
#define FONT_WIDTH 5

extern const uint8_t font[FONT_LAST - FONT_FIRST + 1][FONT_WIDTH];
