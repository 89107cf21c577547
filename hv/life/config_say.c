#include "hv/life/config_say.h"

#include "hv/host/log.h"
#include "hv/life/config_keys.h"

void config_complain(struct parser *parser, const char *key, const char *outcome, const char *format, ...)
{
    char place[VM_NAME_MOST + 64], reason[320];
    struct text_buffer buffer;
    va_list arguments;

    parser->good = false;
    text_buffer_init(&buffer, place, sizeof(place));
    if (parser->line)
        print_to(&buffer.writer, ":%u", parser->line);
    print_to(&buffer.writer, ":");
    if (parser->place == IN_VM) {
        parser->vm->start = false;
        print_to(&buffer.writer, " [vm %s]", parser->vm->name);
    } else if (parser->place == IN_KEEL) {
        print_to(&buffer.writer, " [keel]");
    }
    if (key)
        print_to(&buffer.writer, " %s:", key);
    text_buffer_init(&buffer, reason, sizeof(reason));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    log_line("%s%s %s; %s", parser->config->file, place, reason, outcome);
}

unsigned config_line_of(const struct config_vm *vm, const char *name)
{
    const struct config_key *key = config_find_key(SECTION_VM, name);
    unsigned line = vm->lines[config_key_index(key)];

    return line ? line : vm->line;
}

void config_begin(struct config *config, const char *file)
{
    memset(config, 0, sizeof(*config));
    format_text(config->file, sizeof(config->file), "%s", file);
    config_set_defaults(SECTION_KEEL, config);
}
