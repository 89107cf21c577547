#include "vmx/fields.h"

#include "hv/lib/format.h"
#include "vmx/capabilities.h"

/* Bit 0, access type: 0, for the whole field; bits 9:1, index; bit 12 and bits 31:15: reserved. */
#define INDEX_BITS                0x3feu
#define ENCODING_OF(width, group) ((unsigned)VMCS_WIDTH_##width << 13 | (unsigned)VMCS_GROUP_##group << 10)

#define X(name, encoding, width, group, words, exists, shown)                                                \
    _Static_assert(((encoding) & ~INDEX_BITS) == ENCODING_OF(width, group), #name " is encoded wrongly");
VMCS_FIELDS(X)
#undef X

/* clang-format off */
#define NEED(word, control)    {VMX_##word, __builtin_ctz(VMX_##word##_##control)}
#define NO_NEED                {VMX_WORDS, 0}
#define ALWAYS                 {NO_NEED, NO_NEED}
#define IF(word, control)      {NEED(word, control), NO_NEED}
#define EITHER(w1, c1, w2, c2) {NEED(w1, c1), NEED(w2, c2)}
/* clang-format on */

const struct vmcs_field vmcs_fields[] = {
#define X(name, encoding, width, group, words, exists, shown)                                                \
    {words, encoding, VMCS_WIDTH_##width, VMCS_GROUP_##group, VMCS_SHOWN_##shown, exists},
    VMCS_FIELDS(X)
#undef X
};

const unsigned vmcs_field_count = ARRAY_LENGTH(vmcs_fields);

const struct vmcs_field *vmcs_field_find(uint32_t encoding)
{
    unsigned low = 0, high = vmcs_field_count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (vmcs_fields[middle].encoding < encoding)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < vmcs_field_count && vmcs_fields[low].encoding == encoding)
        return &vmcs_fields[low];
    return NULL;
}

const char *vmcs_field_name(uint32_t encoding)
{
    const struct vmcs_field *field = vmcs_field_find(encoding);

    return field ? field->name : "unknown VMCS field";
}

bool vmcs_field_exists(const struct vmcs_field *field, const struct vmx_capabilities *cpu)
{
    const struct vmcs_needs *needs = field->needs;

    if (needs[0].word == VMX_WORDS)
        return true;
    for (unsigned i = 0; i < ARRAY_LENGTH(field->needs); i++)
        if (needs[i].word != VMX_WORDS && vmx_allowed(cpu, needs[i].word, BIT(needs[i].bit)))
            return true;
    return false;
}

void vmcs_print(const struct vmcs_reader *vmcs, const struct vmx_capabilities *cpu, enum vmcs_shown shown,
                struct writer *out)
{
    size_t column = 0;

    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field *field = &vmcs_fields[i];
        char text[96];

        if (field->shown > shown || !vmcs_field_exists(field, cpu))
            continue;
        format_text(text, sizeof(text), "%s 0x%lx", field->name,
                    (unsigned long)vmcs->read(vmcs->context, field->encoding));
        print_item(out, &column, text);
    }
    print_to(out, "\n");
}
