/* keel.conf: any bytes. */
#include "hv/life/config.h"
#include "hv/life/config_modules.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake.h"

#include <string.h>

static void check_vm(const struct config *config, const struct config_vm *vm)
{
    MUST(vm->name[0] && memchr(vm->name, 0, sizeof(vm->name)));
    MUST(vm->memory >= MIB(1) && vm->memory % PAGE_SIZE == 0);
    MUST(vm->vcpus >= 1 && vm->vcpus <= VM_VCPUS_MOST);
    MUST(vm->entry <= ENTRY_LONG && vm->format <= FORMAT_FLAT && vm->serial <= SERIAL_COM4);
    MUST(!vm->start || (vm->kernel >= config->text && vm->kernel < config->text + sizeof(config->text)));
    MUST(strlen(vm->cmdline) < sizeof(config->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config config;
    const struct module modules[] = {{"k", "", data, size}, {"r", "", data, size}};
    struct load_request request;
    bool good;

    fake_reset();
    good = config_parse("keel.conf", (const char *)data, size, &config);
    MUST(good == (fake_log[0] == 0)); /* never silent */
    MUST(config.console.port <= 4 && config.console.baud > 0);
    for (unsigned i = 0; i < config.vm_count; i++)
        check_vm(&config, &config.vms[i]);
    config_resolve(&config, modules, 2);
    for (unsigned i = 0; i < config.vm_count; i++)
        if (config.vms[i].start) {
            config_load_request(&config.vms[i], 0, &request);
            MUST(request.kernel);
        }
    return 0;
}
