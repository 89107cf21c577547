/* VMX on and off, and the vendor's table of operations: all that the rest of Keel knows of VMX. */
#pragma once

#include "hv/vm/virt.h"

extern const struct virt_ops vmx_ops;
