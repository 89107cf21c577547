/* What is wrong in keel.conf, said with its place: for the files that read it. */
#pragma once

#include "hv/lib/string.h"
#include "hv/life/config.h"

#define SHOWN_MOST  40 /* of a wrong value, in a log line */

#define IGNORED     "the line is ignored"
#define NOT_STARTED "the VM is not started"

enum place { BEFORE_SECTIONS, IN_KEEL, IN_VM, IN_SKIPPED };

struct parser {
    struct config *config;
    unsigned line; /* from 1; 0 for what concerns the whole file */
    enum place place;
    struct config_vm *vm; /* IN_VM */
    bool good;            /* nothing wrong so far */
};

/* A piece of the text. */
struct span {
    const char *at, *end;
};

/* Says what is wrong and what that leads to, and marks the VM whose section it is in. */
PRINTF_LIKE(4, 5)
void config_complain(struct parser *parser, const char *key, const char *outcome, const char *format, ...);

/* How much of a span a log line shows: for `%.*s`. */
static inline int shown(struct span span)
{
    return (int)MIN(span.end - span.at, SHOWN_MOST);
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static inline bool span_is(struct span span, const char *text)
{
    size_t length = (size_t)(span.end - span.at);

    return strlen(text) == length && memcmp(span.at, text, length) == 0;
}

/* The line that has this key of the VM's, or 0. */
unsigned config_line_of(const struct config_vm *vm, const char *name);

/* Of that file, with nothing in it but the defaults. */
void config_begin(struct config *config, const char *file);
