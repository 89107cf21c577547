/*
 * The monitor: a prompt on the console while the VMs run. A person with one serial line sees and steers
 * everything by it. docs/debugging.md shows what it knows.
 */
#pragma once

#include "hv/lib/format.h"

/* Before anybody can type. */
void monitor_init(void);

/* Opens the prompt; harmless where it is open. From any core, with the console's input locked or not. */
void monitor_open(void);

/*
 * Runs one command now, for GDB's `monitor`: between two vCPUs on the boot core. What needs a VM to stand
 * still is refused unless it does.
 */
void monitor_execute(const char *line, struct writer *out);

struct vcpu;
