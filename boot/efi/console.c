#include "boot/efi/console.h"

#include "hv/host/log.h"
#include "hv/lib/format.h"

#define LINE_MOST 512

static EFI_SYSTEM_TABLE *system_table;

void efi_console_init(EFI_SYSTEM_TABLE *table)
{
    system_table = table;
}

static void say(const char *text)
{
    CHAR16 wide[LINE_MOST + 16];
    size_t length = 0;

    while (*text && length < LINE_MOST + 13)
        wide[length++] = (unsigned char)*text++;
    wide[length++] = '\r';
    wide[length++] = '\n';
    wide[length] = 0;
    system_table->ConOut->OutputString(system_table->ConOut, wide);
}

void log_line(const char *format, ...)
{
    char line[LINE_MOST];
    struct text_buffer buffer;
    va_list arguments;

    text_buffer_init(&buffer, line, sizeof(line));
    print_to(&buffer.writer, "keel.efi: ");
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    say(line);
}

/* Only what is at fault in keel.efi itself comes here. */
_Noreturn void panic(const char *format, ...)
{
    log_line("stopped by an error of its own: %s", format);
    for (;;)
        __asm__ volatile("hlt");
}

/* UEFI, "Status Codes". */
static const struct {
    EFI_STATUS status;
    const char *words;
} meanings[] = {
    {EFI_UNSUPPORTED, "it is a folder, or the firmware cannot do that"},
    {EFI_DEVICE_ERROR, "the device reports an error"},
    {EFI_NO_MEDIA, "there is no medium in the device"},
    {EFI_MEDIA_CHANGED, "the medium was changed"},
    {EFI_VOLUME_CORRUPTED, "the file system is damaged"},
    {EFI_OUT_OF_RESOURCES, "there is not enough memory below 4 GiB"},
    {EFI_NOT_FOUND, "there is no such file"},
    {EFI_ACCESS_DENIED, "access is denied"},
    {EFI_END_OF_FILE, "it ends before its size says so"},
    {EFI_SECURITY_VIOLATION, "the firmware's security policy forbids it"},
    {EFI_INVALID_PARAMETER, "its name is not one that the firmware takes"},
};

const char *efi_words(EFI_STATUS status)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(meanings); i++)
        if (meanings[i].status == status)
            return meanings[i].words;
    return "the firmware does not say why";
}
