/* The vendor's part of the processor that a guest sees, which boot/main.c chooses. */
#include "hv/cpu/virt_state.h"

const struct virt_state *virt_state;
