/* Who is told what Keel is given: hv/observe/record.c, while a VM is recorded. */
#include "hv/host/witness.h"

const struct witness *witness;
