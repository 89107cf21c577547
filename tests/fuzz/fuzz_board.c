/* The whole board: accesses of three vCPUs, time, what is typed, resets. */
#include "devices/board.h"
#include "tests/fuzz/pc.h"
#include "tests/unit/fake.h"

/* Up to two seconds: from one tick of the clock to many. */
static void let_time_pass(struct input *input)
{
    unsigned shift = (unsigned)take(input, 1) % 24;
    uint64_t ticks = take(input, 1) << shift;

    fake_run_until(fake_now + MIN(ticks, 2 * fake_hz));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned options = (unsigned)take(&input, 1);

    fake_reset();
    fake_hz = options & 0x80 ? 3123456789 : 1000000000;
    fake_now = options & 0x40 ? BIT(50) : 0;
    pc_make(options);
    while (input.left) {
        unsigned what = (unsigned)take(&input, 1);

        if (what < 0xc0)
            pc_guest(&pc.vcpus[what % PC_VCPUS], &input);
        else if (what < 0xe0)
            let_time_pass(&input);
        else if (what < 0xf8)
            pc_outside(&input);
        else if (what < 0xfc)
            pc_describe();
        else
            board_reset(&pc.vm);
        MUST(spin_try_lock(&pc.vm.lock));
        spin_unlock(&pc.vm.lock);
    }
    board_stop(&pc.vm);
    MUST(fake_next_deadline() == UINT64_MAX);
    return 0;
}
