/* The vendor in use: a table of functions that boot/main.c chooses. */
#include "hv/vm/virt.h"

const struct virt_ops *virt;
