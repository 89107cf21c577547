/* keel.conf as text, and what is said of it. */
#pragma once

#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/life/config_keys.h"

static struct config config;

/* Parses a copy that has nothing behind its last byte, so that ASan sees a read too far. */
static inline bool parse_bytes(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    bool good;

    fake_reset();
    memcpy(copy, text, length);
    good = config_parse("keel.conf", copy, length, &config);
    free(copy);
    return good;
}

static inline bool parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

#define assert_said(text)                                                                                    \
    do {                                                                                                     \
        if (!strstr(fake_log, text))                                                                         \
            fail_msg("not said: %s\nbut: %s", text, fake_log);                                               \
    } while (0)
