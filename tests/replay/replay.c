/*
 * Plays a recording of a VM (docs/replay.md): replay [--flip DEVICE:BIT] FILE. With --flip one bit of
 * whatever the device is read for is another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/replay/player.h"

/* The VM that is made is never given back: the program ends with it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static uint8_t *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t room = 0, got;

    *size = 0;
    if (!file)
        return NULL;
    do {
        if (*size == room)
            bytes = realloc(bytes, room = 2 * room + 65536);
        got = fread(bytes + *size, 1, room - *size, file);
        *size += got;
    } while (got);
    fclose(file);
    return bytes;
}

static int usage(void)
{
    fprintf(stderr, "usage: replay [--list] [--flip DEVICE:BIT] FILE\n");
    return NOT_A_RECORDING;
}

/* An option and what belongs to it; returns how many words that is, 0 if it is none. */
static int take_option(char **words, int left, struct wish *wish)
{
    char *colon;

    if (strcmp(words[0], "--list") == 0) {
        wish->list = true;
        return 1;
    }
    if (left < 2 || strcmp(words[0], "--flip") != 0 || !(colon = strchr(words[1], ':')))
        return 0;
    *colon = 0;
    wish->flipped = words[1];
    wish->bit = (unsigned)strtoul(colon + 1, NULL, 0) % 64;
    return 2;
}

int main(int count, char **words)
{
    struct wish wish = {0};
    uint8_t *bytes;
    size_t size;
    int at = 1, taken;

    while (at < count - 1 && (taken = take_option(words + at, count - 1 - at, &wish)))
        at += taken;
    if (at != count - 1)
        return usage();
    bytes = read_all(words[at], &size);
    if (!bytes) {
        fprintf(stderr, "%s cannot be read\n", words[at]);
        return NOT_A_RECORDING;
    }
    return play(bytes, size, &wish);
}
