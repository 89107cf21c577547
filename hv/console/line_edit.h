/*
 * A line that is typed at a terminal: insertion, history, completion. Bytes come in, what the terminal is to
 * show goes out; it must know VT100's ESC [ K and ESC [ n D. Nothing here knows of Keel.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

#define EDIT_MOST    72 /* with a prompt it stays on one row of the screen */
#define EDIT_HISTORY 8

enum edit_result {
    EDIT_GOES_ON,
    EDIT_DONE, /* edit->line is the line, until the next byte */
    EDIT_END,  /* Ctrl-D on an empty line */
};

struct line_edit {
    struct writer *out;
    const char *prompt;
    /* Word `n` of those that may stand at place `place` of a line, from 0 on; NULL: there are no more. */
    const char *(*candidate)(unsigned place, unsigned n);
    char line[EDIT_MOST + 1];
    unsigned length, at;
    char history[EDIT_HISTORY][EDIT_MOST + 1]; /* the latest first */
    unsigned kept, recalled;
    char draft[EDIT_MOST + 1]; /* what was typed before the history was called */
    enum { EDIT_PLAIN, EDIT_ESCAPE, EDIT_SEQUENCE } keys;
    bool done, was_return;
};

/* `out`, `prompt` and `candidate` are set, all else is 0. Shows the prompt, and what has been typed: also
 * after something else was written on the terminal. */
void line_edit_show(struct line_edit *edit);

/* One byte that was typed. After EDIT_DONE the caller shows the prompt again when it is ready. */
enum edit_result line_edit_byte(struct line_edit *edit, uint8_t byte);
