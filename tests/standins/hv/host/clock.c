/* Virtual time: it stands until a test moves it. */
#include "hv/host/clock.h"

#include "tests/unit/fake.h"

void clock_hold(uint64_t now)
{
    fake_held = now;
}

uint64_t clock_now(void)
{
    return fake_now;
}

uint64_t clock_hz(void)
{
    return fake_hz;
}

uint64_t clock_wall_seconds(void)
{
    return fake_wall + fake_now / fake_hz;
}
