/* The information of a multiboot2 boot loader: the input is its tags. */
#include "boot/multiboot2.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake.h"

#include <string.h>

static bool is_string(const struct boot_info *info, const char *text)
{
    const char *end = info->strings + sizeof(info->strings);

    return *text == 0 || (text >= info->strings && text < end && memchr(text, 0, (size_t)(end - text)));
}

static void check(const struct boot_info *info)
{
    MUST(is_string(info, info->cmdline) && is_string(info, info->loader_name));
    MUST(info->memory_count <= ARRAY_LENGTH(info->memory));
    for (unsigned i = 0; i < info->memory_count; i++)
        MUST(info->memory[i].size && info->memory[i].first + info->memory[i].size > info->memory[i].first);
    MUST(info->efi_memory_count <= ARRAY_LENGTH(info->efi_memory));
    for (unsigned i = 0; i < info->efi_memory_count; i++)
        MUST(info->efi_memory[i].first + info->efi_memory[i].size > info->efi_memory[i].first);
    MUST(info->module_count <= ARRAY_LENGTH(info->modules));
    for (unsigned i = 0; i < info->module_count; i++)
        MUST(is_string(info, info->modules[i].name) && is_string(info, info->modules[i].arguments));
    MUST(info->section_count <= ARRAY_LENGTH(info->sections));
    MUST(info->section_count == 0 || info->section_names < info->section_count);
    MUST(info->rsdp_length <= sizeof(info->rsdp));
    MUST((info->left_out == 0) == (fake_log[0] == 0)); /* never silent */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_info info;
    uint32_t total = (uint32_t)size + 8;
    uint8_t *bytes = malloc(total);

    memcpy(bytes, &total, sizeof(total));
    memset(bytes + 4, 0, 4);
    memcpy(bytes + 8, data, size);
    fake_reset();
    MUST(multiboot2_parse(bytes, total, &info));
    free(bytes);
    check(&info);
    return 0;
}
