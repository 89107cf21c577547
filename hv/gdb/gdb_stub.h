/* GDB on a serial port of its own: which VM it sees, and how that VM's vCPUs come to stand still for it. */
#pragma once

#include "hv/host/serial.h"
#include "hv/lib/format.h"

/* GDB may connect by this port from now on. It sees the first VM, or another by `monitor vm NAME`. */
void gdb_start(const struct serial *port);

/* The machine is about to end: GDB is told that its VM has. */
void gdb_finish(void);

/* What `monitor ...` runs, but for `vm`; NULL: nothing. */
extern void (*gdb_monitor)(const char *line, struct writer *out);
