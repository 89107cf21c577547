#include "svm/fields.h"

#include "hv/lib/format.h"
#include "hv/lib/string.h"

#define X(offset, name, type, words, shown)                                                                  \
    _Static_assert(offsetof(union vmcb, name) == (offset), #name " is not at its offset");
VMCB_FIELDS(X)
#undef X
_Static_assert(sizeof(union vmcb) == PAGE_SIZE, "a VMCB is a page");

const struct vmcb_field vmcb_fields[] = {
#define X(offset, name, type, words, shown) {words, offset, sizeof(type), VMCB_SHOWN_##shown},
    VMCB_FIELDS(X)
#undef X
};

const unsigned vmcb_field_count = ARRAY_LENGTH(vmcb_fields);

static const struct vmcb_field *field_at(unsigned offset)
{
    for (unsigned i = 0; i < vmcb_field_count; i++)
        if (vmcb_fields[i].offset == offset)
            return &vmcb_fields[i];
    return NULL;
}

uint64_t vmcb_value(const union vmcb *vmcb, unsigned offset)
{
    const struct vmcb_field *field = field_at(offset);
    uint64_t value = 0;

    if (field && field->size <= sizeof(value))
        memcpy(&value, vmcb->bytes + offset, field->size);
    return value;
}

const char *vmcb_name(unsigned offset)
{
    const struct vmcb_field *field = field_at(offset);

    return field ? field->name : "unknown VMCB field";
}

void vmcb_print(const union vmcb *vmcb, enum vmcb_shown shown, struct writer *out)
{
    size_t column = 0;

    for (unsigned i = 0; i < vmcb_field_count; i++) {
        const struct vmcb_field *field = &vmcb_fields[i];
        char text[96];

        if (field->shown > shown)
            continue;
        if (field->size == sizeof(struct vmcb_segment)) {
            struct vmcb_segment segment;

            memcpy(&segment, vmcb->bytes + field->offset, sizeof(segment));
            format_text(text, sizeof(text), "%s 0x%x base 0x%lx limit 0x%x attributes 0x%x", field->name,
                        segment.selector, (unsigned long)segment.base, segment.limit, segment.attributes);
        } else {
            format_text(text, sizeof(text), "%s 0x%lx", field->name,
                        (unsigned long)vmcb_value(vmcb, field->offset));
        }
        print_item(out, &column, text);
    }
    print_to(out, "\n");
}
