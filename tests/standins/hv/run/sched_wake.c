/* Another vCPU always waits for the core. */
#include "hv/run/sched.h"

bool sched_others_wait(void)
{
    return true;
}
