/* Whether a program may use a port. */
#pragma once

#include "hv/cpu/registers.h"

/*
 * IOPL and the I/O permission bitmap of the TSS (SDM, "I/O Permission Bit Map"); false with #GP(0), or #PF.
 * The processor checks this before it leaves the guest for an I/O instruction, with VMX and SVM alike, so
 * handlers of such exits need not ask; the emulator asks for INS and OUTS, which it may meet on other exits.
 */
bool io_permitted(struct vcpu *vcpu, uint16_t port, unsigned size, struct fault *fault);
