/* How many exits a VM's vCPUs had since its start, by reason: `report = exits`. */
#pragma once

#include "hv/vm/vm.h"

extern bool count_report_exits;

/* A log line for each reason, the most frequent first, if count_report_exits. The vCPUs have stopped. */
void count_say(const struct vm *vm);
