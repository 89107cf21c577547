/*
 * The log on the machine's screen, where no serial port takes it: a text screen as VGA has it, or a
 * framebuffer of red, green and blue as EFI has it, in letters of 8 by 16 points. White on black is the same
 * in every layout of a pixel. What VMs say is not shown.
 */
#pragma once

#include "hv/host/boot_info.h"

/*
 * Shows the log so far, and what follows. Physical memory below 4 GiB must be mapped where it is; a
 * framebuffer above has to wait for screen_move. Without a framebuffer, a machine that was not started by EFI
 * has VGA's text screen.
 */
void screen_start(const struct boot_info *info);

/* Keel's own page tables are on: the screen is mapped by them. */
void screen_move(void);

/* A panic: whoever was stopped within this code does not go on. */
void screen_panic(void);
