/* Who wakes the monitor: keys and timers, and VMs that come to stand still. It works on the boot core between
 * two vCPUs. */
#include "hv/monitor/monitor_internal.h"

static struct work work;

void monitor_wake(void)
{
    work_post(0, &work);
}

void monitor_wake_init(void (*serve)(struct work *work))
{
    work.run = serve;
}
