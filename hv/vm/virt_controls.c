#include "hv/vm/virt_controls.h"

#include "hv/lib/string.h"

static bool is(const char *word, const char *name, size_t length)
{
    return strlen(word) == length && strncmp(word, name, length) == 0;
}

bool virt_forbid(struct virt_controls *controls, const char *name, size_t length)
{
    for (unsigned i = 0; i < controls->count; i++) {
        const struct virt_control *row = &controls->rows[i];

        if (row->how != VIRT_WANTED || !is(row->name, name, length))
            continue;
        controls->forbidden[row->word] |= BIT(row->bit);
        return true;
    }
    controls->trusted = controls->trusted || is("none", name, length);
    return is("none", name, length);
}

const char *virt_control_name(const struct virt_controls *controls, unsigned word, unsigned bit)
{
    for (unsigned i = 0; i < controls->count; i++)
        if (controls->rows[i].word == word && controls->rows[i].bit == bit)
            return controls->rows[i].name;
    return NULL;
}
