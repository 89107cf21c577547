/*
 * The two 8259A interrupt controllers of a PC, cascaded, with the edge/level control registers (ELCR) that
 * PCI chipsets added.
 */
#pragma once

#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

#define PIC_SLAVE_PORT 0xa0
#define PIC_ELCR_PORT  0x4d0

struct pic_chip {
    uint8_t number;  /* 0: master, 1: slave */
    uint8_t lines;   /* the pins as they are now */
    uint8_t latched; /* rising edges not yet acknowledged */
    uint8_t isr, imr;
    uint8_t elcr, elcr_writable;
    uint8_t base;       /* ICW2: the vector of IR0 */
    uint8_t icw3, icw4; /* as written */
    uint8_t lowest;     /* the pin with the lowest priority: 7 unless rotated */
    uint8_t next_icw;   /* 2 to 4 while initialization waits for that word, else 0 */
    bool wants_icw4, single, level, rotate_on_auto_eoi;
    bool special_mask, reads_isr, poll;
};

struct pic {
    struct pic_chip chips[2]; /* master, slave */
    bool intr_asserted;
    struct irq_line intr; /* the master's INT pin */
    struct irq_sources sources;
    struct device master, slave, elcr;
};

/*
 * Prepares the devices; `lock` is held around their accesses, and by whoever calls the functions below. The
 * board connects `intr` and `sources`, and resets the pair through the bus before use.
 */
void pic_init(struct pic *pic, struct spinlock *lock);

/*
 * Drives an input, 0 to 15; 2 is the cascade and not connected. In the form of irq_line: `pic` is a struct
 * pic.
 */
void pic_set_line(void *pic, unsigned pin, bool asserted);

/* Whether a request at this pin, 0 to 15, may reach the master's INT. */
bool pic_is_open(const struct pic *pic, unsigned pin);

/* Opens the pins that a PC's firmware leaves open for a boot sector. */
void pic_unmask(struct pic *pic);

/*
 * The processor acknowledges INTR. Returns the vector: of the most urgent request, or of IR7 if there is none
 * any more (a spurious interrupt). `pic` is a struct pic.
 */
int pic_acknowledge(void *pic);
