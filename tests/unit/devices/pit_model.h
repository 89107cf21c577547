/*
 * A counter of the 8254 for test_pit.c, told from the data sheet's text one CLK pulse at a time: slow, and
 * without any of the arithmetic of devices/pit.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pit_model {
    unsigned mode, access;
    bool bcd;
    unsigned cr, ce; /* both 0 to 65535, or 0 to 9999 */
    bool out, gate, null;
    bool fresh;   /* CR was written and CE is to take it over at the next pulse */
    bool trigger; /* GATE rose since the last pulse, with a count to load */
    bool running; /* CE has been loaded since the control word */
    bool armed;   /* CR has been written since the control word */
    bool done;    /* terminal count was reached */
    bool odd, second_byte;
    unsigned first_byte;
};

static inline unsigned model_minus(const struct pit_model *model, unsigned value, unsigned by)
{
    unsigned wrap = model->bcd ? 10000 : 65536;

    return (value + wrap - by) % wrap;
}

static inline void model_take(struct pit_model *model)
{
    model->ce = model->cr;
    model->odd = model->mode == 3 && (model->cr & 1);
    if (model->odd)
        model->ce--;
    model->null = model->fresh = model->done = false;
    model->running = true;
}

static inline void model_clk_3(struct pit_model *model)
{
    if (model->odd && model->out && model->ce == 0) {
        model->out = false; /* one pulse after the count has expired */
        model_take(model);
        return;
    }
    model->ce = model_minus(model, model->ce, 2);
    if (model->ce == 0 && !(model->odd && model->out)) {
        model->out = !model->out;
        model_take(model);
    }
}

static inline void model_clk_2(struct pit_model *model)
{
    if (model->ce == 1) {
        model->out = true;
        model_take(model);
        return;
    }
    model->ce = model_minus(model, model->ce, 1);
    if (model->ce == 1)
        model->out = false;
}

/* Modes 0, 1, 4 and 5 when they count: `reached` is OUT at the terminal count. */
static inline void model_clk_once(struct pit_model *model, bool reached)
{
    model->ce = model_minus(model, model->ce, 1);
    if (model->ce == 0 && !model->done) {
        model->done = true;
        model->out = reached;
    }
}

static inline void model_clk(struct pit_model *model)
{
    bool trigger = model->trigger;

    model->trigger = false;
    if (model->mode >= 4)
        model->out = true; /* a strobe lasts one pulse */
    switch (model->mode) {
    case 0:
    case 4:
        if (model->fresh)
            model_take(model);
        else if (model->running && model->gate && !(model->mode == 0 && model->second_byte))
            model_clk_once(model, model->mode == 0);
        break;
    case 1:
    case 5:
        if (trigger) {
            model_take(model);
            model->out = model->mode == 5;
        } else if (model->running) {
            model_clk_once(model, model->mode == 1);
        }
        break;
    default:
        if (trigger || (model->fresh && !model->running))
            model_take(model);
        else if (model->running && model->gate)
            (model->mode == 2 ? model_clk_2 : model_clk_3)(model);
    }
}

static inline void model_control(struct pit_model *model, uint8_t word)
{
    bool gate = model->gate;

    *model =
        (struct pit_model){.mode = word >> 1 & 7, .access = word >> 4 & 3, .bcd = word & 1, .gate = gate};
    if (model->mode > 5)
        model->mode -= 4;
    model->out = model->mode != 0;
    model->null = true;
}

static inline void model_write(struct pit_model *model, uint8_t byte)
{
    unsigned value = model->access == 1 ? byte : byte << 8;

    if (model->access == 3 && !model->second_byte) {
        model->first_byte = byte;
        model->second_byte = true;
        if (model->mode == 0)
            model->out = false;
        return;
    }
    if (model->access == 3)
        value |= model->first_byte;
    model->second_byte = false;
    if (model->bcd)
        value = (value >> 12) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
    model->cr = value;
    model->null = model->fresh = model->armed = true;
    if (model->mode == 0)
        model->out = false;
}

static inline void model_gate(struct pit_model *model, bool gate)
{
    if (gate && !model->gate && model->armed)
        model->trigger = true;
    if (!gate && (model->mode == 2 || model->mode == 3))
        model->out = true;
    model->gate = gate;
}

/* CE as the chip would put it on the bus. */
static inline unsigned model_count(const struct pit_model *model)
{
    unsigned ce = model->ce;

    if (!model->bcd)
        return ce;
    return ce / 1000 << 12 | ce / 100 % 10 << 8 | ce / 10 % 10 << 4 | ce % 10;
}
