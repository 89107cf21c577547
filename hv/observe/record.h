/*
 * Recording of a VM with one vCPU: all that Keel's code is given while it serves the VM, so that the same
 * code can be run again on another machine and must do the same (docs/replay.md). tests/replay has the other
 * half: there these functions read the recording.
 *
 * Everything of a recorded VM happens on the boot core, and time stands still within a region.
 */
#pragma once

#include "hv/life/create.h"

/* For life_recorder. */
extern const struct life_recorder record_recorder;
