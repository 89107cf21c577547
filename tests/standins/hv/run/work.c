/* Work for a core waits until the test does it. */
#include "hv/run/work.h"

#include "tests/unit/fake.h"

void work_post(unsigned core, struct work *work)
{
    fake_asked.work_for = core;
    fake_asked.work = work;
    fake_asked.works++;
}

bool work_run(void)
{
    return false;
}
