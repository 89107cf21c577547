/* keel.conf taken apart: sections, keys and values, by the rows of config_keys.c. */
#include "hv/life/config.h"

#include "hv/lib/string.h"
#include "hv/life/config_keys.h"
#include "hv/life/config_say.h"

static const char *outcome(const struct parser *parser)
{
    return parser->place == IN_VM ? NOT_STARTED : IGNORED;
}

static struct span trim(struct span span)
{
    while (span.at < span.end && is_blank(*span.at))
        span.at++;
    while (span.at < span.end && is_blank(span.end[-1]))
        span.end--;
    return span;
}

/* Cuts a comment: from a # on that begins the span or follows a blank, and is not within double quotes. */
static struct span cut_comment(struct span span)
{
    bool quoted = false;

    for (const char *at = span.at; at < span.end; at++) {
        if (*at == '"')
            quoted = !quoted;
        if (*at == '#' && !quoted && (at == span.at || is_blank(at[-1])))
            span.end = at;
    }
    return trim(span);
}

/* A terminated copy in the configuration's own text; NULL, said, if there is no more room. */
static const char *keep(struct parser *parser, const char *key, struct span span)
{
    struct config *config = parser->config;
    size_t length = (size_t)(span.end - span.at);
    char *copy = config->text + config->text_used;

    if (length >= sizeof(config->text) - config->text_used) {
        config_complain(parser, key, outcome(parser),
                        "%lu bytes are more than is left of the %lu that a configuration may have", length,
                        sizeof(config->text));
        return NULL;
    }
    memcpy(copy, span.at, length);
    copy[length] = 0;
    config->text_used += (unsigned)length + 1;
    return copy;
}

/* Takes the quotes off a value, or cuts its comment if it has none. */
static bool unquote(struct parser *parser, const char *key, struct span *value)
{
    struct span rest;
    char quote;

    *value = trim(*value);
    quote = value->at < value->end ? *value->at : 0;
    if (quote != '"' && quote != '\'') {
        *value = cut_comment(*value);
        return true;
    }
    rest = (struct span){value->at + 1, value->end};
    while (rest.at < rest.end && *rest.at != quote)
        rest.at++;
    if (rest.at == rest.end) {
        config_complain(parser, key, outcome(parser), "the quote %c is not closed", quote);
        return false;
    }
    *value = (struct span){value->at + 1, rest.at};
    rest = (struct span){rest.at + 1, rest.end};
    if (rest.at < rest.end && is_blank(*rest.at))
        rest = cut_comment(trim(rest));
    if (rest.at == rest.end)
        return true;
    config_complain(parser, key, outcome(parser),
                    "\"%.*s\" follows the closing quote; put the whole value in quotes", shown(rest),
                    rest.at);
    return false;
}

static void complain_unknown_key(struct parser *parser, struct span name, enum config_section section)
{
    char known[240];
    struct text_buffer buffer;

    text_buffer_init(&buffer, known, sizeof(known));
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section)
            print_to(&buffer.writer, " %s", config_keys[i].name);
    config_complain(parser, NULL, outcome(parser), "\"%.*s\" is not a key of this section; those are:%s",
                    shown(name), name.at, known);
}

static void set_key(struct parser *parser, const struct config_key *key, struct span value)
{
    bool of_vm = key->section == SECTION_VM;
    unsigned *line = of_vm ? parser->vm->lines : parser->config->lines;
    char *owner = of_vm ? (char *)parser->vm : (char *)parser->config, used[64];
    const char *text;

    line += config_key_index(key);
    if (*line && key->presence != KEY_REPEATED) {
        config_complain(parser, key->name, outcome(parser), "it is already set on line %u", *line);
        return;
    }
    *line = parser->line;
    if (!unquote(parser, key->name, &value))
        return;
    text = keep(parser, key->name, value);
    if (!text || key->parse(owner + key->offset, text))
        return;
    format_text(used, sizeof(used), "%s is used", key->fallback);
    config_complain(parser, key->name, of_vm ? NOT_STARTED : used, "\"%.*s\" is not %s", shown(value), text,
                    key->values);
}

static void read_assignment(struct parser *parser, struct span line)
{
    enum config_section section = parser->place == IN_VM ? SECTION_VM : SECTION_KEEL;
    struct span name = {line.at, line.at};
    const struct config_key *key = NULL;

    while (name.end < line.end && *name.end != '=')
        name.end++;
    if (name.end == line.end) {
        config_complain(parser, NULL, outcome(parser), "\"%.*s\" is neither \"key = value\" nor a [section]",
                        shown(line), line.at);
        return;
    }
    line.at = name.end + 1;
    name = trim(name);
    if (parser->place == BEFORE_SECTIONS) {
        config_complain(parser, NULL, outcome(parser),
                        "\"%.*s\" comes before the first section; needed is [keel] or "
                        "[vm NAME]",
                        shown(name), name.at);
        return;
    }
    for (unsigned i = 0; i < config_key_count && !key; i++)
        if (config_keys[i].section == section && span_is(name, config_keys[i].name))
            key = &config_keys[i];
    if (key)
        set_key(parser, key, line);
    else
        complain_unknown_key(parser, name, section);
}

static bool is_set(const struct config_vm *vm, const char *name)
{
    return vm->lines[config_key_index(config_find_key(SECTION_VM, name))] != 0;
}

#define LOAD_REAL   0x7c00   /* where a PC's firmware puts a boot sector */
#define LOAD_UNSAID 0x100000 /* for protected and long mode */

static void check_flat(struct parser *parser, struct config_vm *vm)
{
    static const char *const flat_only[] = {"load", "entry"};

    if (vm->format == FORMAT_FLAT) {
        parser->line = config_line_of(vm, "ramdisk");
        if (vm->ramdisk)
            config_complain(parser, "ramdisk", NOT_STARTED, "a flat kernel takes none");
        if (!is_set(vm, "load"))
            vm->load = vm->entry == ENTRY_REAL ? LOAD_REAL : LOAD_UNSAID;
        parser->line = config_line_of(vm, "load");
        if (vm->entry == ENTRY_REAL && vm->load >= MIB(1))
            config_complain(parser, "load", NOT_STARTED,
                            "0x%lx is not below 0x100000, which entry = real needs", vm->load);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(flat_only); i++) {
        parser->line = config_line_of(vm, flat_only[i]);
        if (is_set(vm, flat_only[i]))
            config_complain(parser, flat_only[i], NOT_STARTED, "only a kernel with format = flat takes it");
    }
}

static void check_cpuid(struct parser *parser, struct config_vm *vm)
{
    char reason[160];
    struct text_buffer buffer;

    text_buffer_init(&buffer, reason, sizeof(reason));
    parser->line = config_line_of(vm, "cpuid");
    if (!cpuid_choice_read(vm->cpuid, &vm->cpuid_choice, &buffer.writer))
        config_complain(parser, "cpuid", NOT_STARTED, "%s", reason);
}

/* What can be said only when the whole section has been read. */
static void end_section(struct parser *parser)
{
    struct config_vm *vm = parser->vm;

    if (parser->place != IN_VM)
        return;
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].presence == KEY_NEEDED && vm->lines[i] == 0) {
            parser->line = vm->line;
            config_complain(parser, config_keys[i].name, NOT_STARTED, "it is missing; needed is %s",
                            config_keys[i].values);
        }
    check_flat(parser, vm);
    check_cpuid(parser, vm);
}

static bool is_name(struct span name)
{
    if (name.at == name.end || name.end - name.at >= VM_NAME_MOST)
        return false;
    for (const char *at = name.at; at < name.end; at++) {
        bool word = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        if (!word && (at == name.at || !strchr("-_.", *at)))
            return false;
    }
    return true;
}

static void begin_vm(struct parser *parser, struct span name)
{
    struct config *config = parser->config;
    struct config_vm *vm;

    parser->place = IN_SKIPPED;
    if (!is_name(name)) {
        config_complain(
            parser, NULL, NOT_STARTED,
            "\"%.*s\" is not the name of a VM: 1 to %u letters, digits, \"-\", \"_\" or \".\", a letter or "
            "digit first",
            shown(name), name.at, VM_NAME_MOST - 1);
        return;
    }
    for (unsigned i = 0; i < config->vm_count; i++)
        if (span_is(name, config->vms[i].name)) {
            config_complain(parser, NULL, "this one is not started", "[vm %s] is already there on line %u",
                            config->vms[i].name, config->vms[i].line);
            return;
        }
    if (config->vm_count == CONFIG_VMS_MOST) {
        config_complain(parser, NULL, NOT_STARTED, "[vm %.*s] is one more than the %u that Keel runs",
                        shown(name), name.at, CONFIG_VMS_MOST);
        return;
    }
    vm = &config->vms[config->vm_count++];
    memcpy(vm->name, name.at, (size_t)(name.end - name.at));
    vm->line = parser->line;
    vm->start = true;
    config_set_defaults(SECTION_VM, vm);
    parser->vm = vm;
    parser->place = IN_VM;
}

static void read_section(struct parser *parser, struct span line)
{
    unsigned number = parser->line;
    struct span name;

    end_section(parser);
    parser->line = number;
    parser->place = IN_SKIPPED;
    line = cut_comment(line);
    if (line.end - line.at < 2 || line.end[-1] != ']') {
        config_complain(parser, NULL, "its lines are ignored", "\"%.*s\" is not a section: the ] is missing",
                        shown(line), line.at);
        return;
    }
    name = trim((struct span){line.at + 1, line.end - 1});
    if (span_is(name, "keel"))
        parser->place = IN_KEEL;
    else if (name.end - name.at > 3 && memcmp(name.at, "vm", 2) == 0 && is_blank(name.at[2]))
        begin_vm(parser, trim((struct span){name.at + 3, name.end}));
    else
        config_complain(parser, NULL, "its lines are ignored",
                        "[%.*s] is not a section; needed is [keel] or [vm NAME]", shown(name), name.at);
}

static void read_line(struct parser *parser, struct span line)
{
    if (line.at < line.end && line.end[-1] == '\r')
        line.end--;
    for (const char *at = line.at; at < line.end; at++)
        if (((unsigned char)*at < ' ' && *at != '\t') || *at == 0x7f) {
            config_complain(parser, NULL, outcome(parser),
                            "column %ld is a control byte, 0x%02x; the file must be text", at - line.at + 1,
                            (unsigned char)*at);
            return;
        }
    line = trim(line);
    if (line.at == line.end || *line.at == '#')
        return;
    if (*line.at == '[')
        read_section(parser, line);
    else if (parser->place != IN_SKIPPED)
        read_assignment(parser, line);
}

static const struct config_vm *find_vm(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->vm_count; i++)
        if (strcmp(config->vms[i].name, name) == 0)
            return &config->vms[i];
    return NULL;
}

/* What `after` names must be there, and its own wait must end. */
static void check_order(struct parser *parser)
{
    const struct config *config = parser->config;

    parser->place = IN_VM;
    for (unsigned i = 0; i < config->vm_count; i++) {
        const struct config_vm *before = &config->vms[i];

        parser->vm = &parser->config->vms[i];
        parser->line = config_line_of(parser->vm, "after");
        for (unsigned steps = 0; before && before->after && steps <= config->vm_count; steps++)
            before = find_vm(config, before->after);
        if (!before && parser->vm->after && !find_vm(config, parser->vm->after))
            config_complain(parser, "after", NOT_STARTED, "there is no [vm %s]", parser->vm->after);
        else if (before && before->after)
            config_complain(parser, "after", NOT_STARTED, "it would wait for itself");
    }
}

bool config_parse(const char *file, const char *text, size_t length, struct config *out)
{
    struct parser parser = {.config = out, .good = true};
    const char *at = text, *end = text + length;

    config_begin(out, file);
    while (at < end) {
        struct span line = {at, at};

        while (line.end < end && *line.end != '\n')
            line.end++;
        parser.line++;
        read_line(&parser, line);
        at = line.end < end ? line.end + 1 : end;
    }
    end_section(&parser);
    check_order(&parser);
    if (out->vm_count == 0) {
        parser.line = 0;
        parser.place = BEFORE_SECTIONS;
        config_complain(&parser, NULL, "no VM is started", "it has no [vm NAME] section that can be used");
    }
    return parser.good;
}
