#include "devices/pit_counter.h"

/* Modes 4 and 5 pull OUT low for one CLK pulse, whatever happens to GATE. */
static bool is_strobing(const struct pit_counter *counter)
{
    return pit_mode(counter) >= 4 && !counter->out;
}

static uint32_t modulus(const struct pit_counter *counter)
{
    return counter->control & 1 ? 10000 : 65536;
}

bool pit_is_counting(const struct pit_counter *counter)
{
    unsigned mode = pit_mode(counter);

    if (!counter->loaded || (mode == 0 && counter->half_written))
        return false;
    return counter->gate || mode == 1 || mode == 5;
}

static void load(struct pit_counter *counter)
{
    unsigned mode = pit_mode(counter);

    counter->count = counter->initial;
    counter->load = counter->expired = counter->null_count = false;
    counter->loaded = true;
    if (mode == 3) {
        counter->odd = counter->count & 1;
        counter->count &= ~1u;
    } else if (mode == 2) {
        counter->out = counter->count != 1; /* illegal: OUT stays low and never rises */
    } else {
        counter->out = mode >= 4; /* mode 0 is low already, mode 1's pulse begins, a strobe ends */
    }
}

/* CLK pulses until the next load or change of OUT; 0 if there will be none. */
uint32_t pit_next_event(const struct pit_counter *counter)
{
    if (counter->load || is_strobing(counter))
        return 1;
    if (!pit_is_counting(counter))
        return 0;
    switch (pit_mode(counter)) {
    case 2:
        return counter->count > 1 ? counter->count - 1 : 1;
    case 3: /* an odd count makes the high half one pulse longer */
        return counter->count / 2 + (counter->odd && counter->out);
    default:
        return counter->expired ? 0 : counter->count;
    }
}

/* `clocks` CLK pulses without an event. */
static void coast(struct pit_counter *counter, uint64_t clocks)
{
    uint32_t wrap = modulus(counter);

    if (!pit_is_counting(counter))
        return;
    if (pit_mode(counter) == 3)
        counter->count -= 2 * clocks;
    else if (counter->expired)
        counter->count = (counter->count + wrap - clocks % wrap) % wrap;
    else
        counter->count -= clocks;
}

/* The CLK pulse that pit_next_event announced, when it is the very next one. */
static void happen(struct pit_counter *counter)
{
    unsigned mode = pit_mode(counter);

    if (counter->load) {
        load(counter);
    } else if (is_strobing(counter)) {
        coast(counter, 1);
        counter->out = true;
    } else if (mode == 2 && counter->count > 1) {
        counter->count = 1;
        counter->out = false;
    } else if (mode == 2) {
        load(counter);
    } else if (mode == 3) {
        load(counter);
        counter->out = !counter->out || counter->initial == 1; /* illegal: a low half of length 0 */
    } else {
        counter->count = 0;
        counter->expired = true;
        counter->out = mode < 4;
    }
}

/* Until the next event only the count changes, by the same step each pulse: what reading it in a loop needs.
 */
static void remember_quiet(struct pit_counter *counter, uint64_t next)
{
    if (counter->expired || !pit_is_counting(counter))
        return;
    counter->quiet_until = counter->at + next;
    counter->step = pit_mode(counter) == 3 ? 2 : 1;
}

/* Carries the counter on to the CLK pulse `clock`, from event to event, in a bounded number of steps. */
void pit_advance_by_events(struct pit_counter *counter, uint64_t clock)
{
    counter->quiet_until = 0;
    while (counter->at < clock) {
        uint64_t left = clock - counter->at, next = pit_next_event(counter);

        if (pit_is_periodic(counter) && pit_is_counting(counter) && !counter->load && !counter->null_count &&
            left >= counter->initial) {
            counter->at += left - left % counter->initial; /* whole periods change nothing */
            continue;
        }
        if (next == 0 || next > left) {
            coast(counter, left);
            counter->at = clock;
            if (next)
                remember_quiet(counter, next - left);
            return;
        }
        coast(counter, next - 1);
        happen(counter);
        counter->at += next;
    }
}

void pit_set_control(struct pit_counter *counter, uint8_t control)
{
    counter->control = control & 0x3f;
    counter->out = pit_mode(counter) != 0;
    counter->written = counter->load = counter->loaded = counter->expired = false;
    counter->half_written = counter->half_read = counter->latched = counter->status_latched = false;
    counter->null_count = true;
}

void pit_set_initial(struct pit_counter *counter, uint16_t value)
{
    uint32_t initial = value;
    unsigned mode = pit_mode(counter);

    if (counter->control & 1)
        initial = (value >> 12) * 1000 + (value >> 8 & 0xf) * 100 + (value >> 4 & 0xf) * 10 + (value & 0xf);
    counter->initial = initial ? initial : modulus(counter);
    counter->written = counter->null_count = true;
    if (mode == 0 || mode == 4 || (pit_is_periodic(counter) && !counter->loaded))
        counter->load = true;
    if (mode == 0)
        counter->out = false;
}

void pit_set_gate(struct pit_counter *counter, bool gate)
{
    unsigned mode = pit_mode(counter);

    if (counter->gate == gate)
        return;
    counter->gate = gate;
    if (!gate && pit_is_periodic(counter))
        counter->out = true;
    if (gate && counter->written && mode != 0 && mode != 4)
        counter->load = true; /* the trigger of these modes */
}
