/*
 * A VGA's registers: what is written is remembered, and the retrace comes and goes as in text mode. Its
 * memory, 0xA0000 to 0xBFFFF, is RAM of the VM's, which costs no exit (hv/load/guest_map.h). Nothing draws
 * it.
 */
#pragma once

#include "hv/lib/spinlock.h"
#include "hv/vm/bus.h"

/* As the CRT controller has them: their numbers, and how many. */
#define VGA_CRTC       25
#define VGA_SEQUENCER  5
#define VGA_GRAPHICS   9
#define VGA_ATTRIBUTES 21
#define VGA_COLORS     256

struct vga {
    struct device mono, registers, color; /* 0x3B4-0x3BB, 0x3C0-0x3CF, 0x3D4-0x3DB */
    uint8_t crtc[VGA_CRTC], sequencer[VGA_SEQUENCER], graphics[VGA_GRAPHICS], attributes[VGA_ATTRIBUTES];
    uint8_t crtc_index, sequencer_index, graphics_index, attribute_index;
    bool attribute_data; /* the next write to 0x3C0 is data, not an index */
    uint8_t misc, feature, enable;
    uint8_t palette[VGA_COLORS][3]; /* red, green, blue: 6 bits each */
    uint8_t pel_mask, pel_state;    /* 3: the palette is being read, 0: written */
    uint8_t read_color, read_part;
    uint8_t write_color, write_part, written[3];
};

/*
 * Prepares the devices; `lock` is held around their accesses. The board puts them on their ports and resets
 * `registers` before use: the 80 columns of text that a PC's firmware leaves.
 */
void vga_init(struct vga *vga, struct spinlock *lock);
