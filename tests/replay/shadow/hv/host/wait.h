/* In the replay's way to hv/host/wait.h: interrupts come from the recording, which tests/replay/machine.c
 * plays. */
#pragma once

#define interrupts_poll machines_interrupts_poll
#include "../../../../../hv/host/wait.h"
#undef interrupts_poll
void interrupts_poll(void);
