/* The keys of keel.conf and their values. Only config.c and config_keys.c need this. */
#pragma once

#include "hv/life/config.h"

enum config_section { SECTION_KEEL, SECTION_VM };

/* How often a section may have a key: at most once, once, or as often as it likes. */
enum config_presence { KEY_OPTIONAL, KEY_NEEDED, KEY_REPEATED };

struct config_key {
    enum config_section section;
    size_t offset; /* of its field, in struct config or struct config_vm */
    const char *name;
    /*
     * Puts the value into the field. A string it may keep: the value is part of the configuration's own text.
     * false: it is not what `values` says, and the field is as it was.
     */
    bool (*parse)(void *field, const char *value);
    const char *fallback; /* the value if the key is left out; NULL: there is none */
    enum config_presence presence;
    const char *values; /* completes `"x" is not ...` */
};

extern const struct config_key config_keys[];
extern const unsigned config_key_count;

/* The key's place in the `lines` of struct config and struct config_vm. */
unsigned config_key_index(const struct config_key *key);

/* The key of that name, or NULL. */
const struct config_key *config_find_key(enum config_section section, const char *name);

/* Sets every key of a section to its default. `owner` is the struct config or config_vm. */
void config_set_defaults(enum config_section section, void *owner);
