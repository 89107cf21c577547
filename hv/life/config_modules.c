#include "hv/life/config_modules.h"

#include "hv/host/log.h"
#include "hv/life/config_keys.h"
#include "hv/life/config_say.h"

/* Lists the modules by name, as far as they fit. */
static void list_modules(const struct module *modules, unsigned count, char *text, size_t size)
{
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, size);
    for (unsigned i = 0; i < count; i++)
        print_to(&buffer.writer, "%s%s", i ? ", " : "", modules[i].name);
    if (count == 0)
        print_to(&buffer.writer, "none");
}

/* The module that the first word of `value` names. */
static const struct module *find_module(struct parser *parser, const char *key, const char *value,
                                        const struct module *modules, unsigned count)
{
    struct span name = {value, value};
    const struct module *found = NULL;
    char names[160];

    while (*name.end && !is_blank(*name.end))
        name.end++;

    for (unsigned i = 0; i < count; i++)
        if (span_is(name, modules[i].name)) {
            if (found) {
                config_complain(parser, key, NOT_STARTED, "there are two modules named \"%s\"; rename one",
                                modules[i].name);
                return NULL;
            }
            found = &modules[i];
        }
    list_modules(modules, count, names, sizeof(names));
    if (!found)
        config_complain(parser, key, NOT_STARTED,
                        "there is no module named \"%.*s\"; the boot loader gave: %s", shown(name), name.at,
                        names);
    return found;
}

/* Text behind a module's name replaces the arguments that the boot loader gave it. */
static void resolve_modules(struct parser *parser, const struct module *modules, unsigned count)
{
    struct config_modules *wanted = &parser->vm->modules;

    parser->line = config_line_of(parser->vm, "module");
    for (unsigned i = 0; i < wanted->count; i++) {
        const char *arguments = wanted->values[i];
        const struct module *file = find_module(parser, "module", arguments, modules, count);

        while (*arguments && !is_blank(*arguments))
            arguments++;
        while (is_blank(*arguments))
            arguments++;
        if (file)
            wanted->resolved[i] = (struct load_module){file, *arguments ? arguments : file->arguments};
    }
}

static const struct module *resolve_one(struct parser *parser, const char *key, const char *name,
                                        const struct module *modules, unsigned count)
{
    parser->line = config_line_of(parser->vm, key);
    return name ? find_module(parser, key, name, modules, count) : NULL;
}

bool config_resolve(struct config *config, const struct module *modules, unsigned count)
{
    struct parser parser = {.config = config, .good = true, .place = IN_VM};

    for (unsigned i = 0; i < config->vm_count; i++) {
        struct config_vm *vm = &config->vms[i];

        if (!vm->start)
            continue;
        parser.vm = vm;
        vm->kernel_module = resolve_one(&parser, "kernel", vm->kernel, modules, count);
        vm->ramdisk_module = resolve_one(&parser, "ramdisk", vm->ramdisk, modules, count);
        vm->symbols_module = resolve_one(&parser, "symbols", vm->symbols, modules, count);
        resolve_modules(&parser, modules, count);
    }
    return parser.good;
}

bool config_default(struct config *out, const struct module *modules, unsigned count)
{
    struct config_vm *vm = &out->vms[0];
    char names[160];

    config_begin(out, CONFIG_FILE);
    config_set_defaults(SECTION_VM, vm);
    memcpy(vm->name, "vm", sizeof("vm"));
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(modules[i].name, "kernel") == 0) {
            vm->kernel = modules[i].name;
            vm->cmdline = modules[i].arguments;
        } else if (strcmp(modules[i].name, "ramdisk") == 0) {
            vm->ramdisk = modules[i].name;
        }
    }
    vm->start = vm->kernel != NULL;
    out->vm_count = vm->start ? 1 : 0;
    if (vm->start)
        return true;
    list_modules(modules, count, names, sizeof(names));
    log_line("no VM to start: there is neither a module named " CONFIG_FILE
             " nor one named kernel; the boot loader "
             "gave: %s. In GRUB, name it behind the file: module2 /boot/vmlinuz kernel console=ttyS0",
             names);
    return false;
}

void config_load_request(const struct config_vm *vm, gpa_t acpi_rsdp, struct load_request *request)
{
    *request = (struct load_request){
        .kernel = vm->kernel_module,
        .ramdisk = vm->ramdisk_module,
        .modules = vm->modules.resolved,
        .module_count = vm->modules.count,
        .cmdline = vm->cmdline,
        .format = vm->format,
        .flat_load = vm->load,
        .flat_entry = vm->load,
        .flat_mode = vm->entry,
        .vcpus = vm->vcpus,
        .acpi_rsdp = acpi_rsdp,
    };
}
