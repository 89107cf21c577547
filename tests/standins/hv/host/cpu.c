/* A machine whose processors a test makes. */
#include "hv/host/cpu.h"

struct cpu *cpus[CPUS_MOST];
unsigned cpu_count;
