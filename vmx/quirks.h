/*
 * What emulators get wrong of VMX (docs/emulators.md) and what is done about it: found out once, at the
 * start, and left alone where nothing is wrong.
 */
#pragma once

/* Forbids the controls that this CPU gets wrong, with a line in the log. Before they are computed. */
void vmx_find_quirks(void);
