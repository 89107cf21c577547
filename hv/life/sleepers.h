/* VMs that sleep for good: every vCPU halts, and nothing will come that wakes one. */
#pragma once

/* Looks for them once a second, from the calling core, and says each in a log line, once between two resets.
 */
void sleepers_start(void);
