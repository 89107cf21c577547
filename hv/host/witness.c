/* Who is told what Keel is given: hv/debug/record.c, while a VM is recorded. */
#include "hv/host/witness.h"

const struct witness *witness;
