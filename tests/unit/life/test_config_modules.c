#include "hv/life/config_modules.h"
/* What keel.conf has to do with modules: the kernels it names, and a machine without it. */
#include "tests/unit/life/config_fixture.h"

static const struct module modules[] = {
    {"keel.conf", "", NULL, 0}, {"vmlinuz", "", NULL, 0}, {"initrd", "", NULL, 0},
    {"twice", "", NULL, 0},     {"twice", "", NULL, 0},
};

static void names_are_resolved_to_modules(void **state)
{
    struct load_request request;

    (void)state;
    parse("[vm a]\nkernel=vmlinuz\nramdisk=initrd\nsymbols=initrd\ncmdline=quiet\nvcpus=3\n");
    assert_true(config_resolve(&config, modules, ARRAY_LENGTH(modules)));
    assert_ptr_equal(config.vms[0].kernel_module, &modules[1]);
    assert_ptr_equal(config.vms[0].ramdisk_module, &modules[2]);
    assert_ptr_equal(config.vms[0].symbols_module, &modules[2]);
    config_load_request(&config.vms[0], 0xe0000, &request);
    assert_ptr_equal(request.kernel, &modules[1]);
    assert_ptr_equal(request.ramdisk, &modules[2]);
    assert_string_equal(request.cmdline, "quiet");
    assert_int_equal(request.vcpus, 3);
    assert_int_equal(request.acpi_rsdp, 0xe0000);
    assert_int_equal(request.format, FORMAT_AUTO);
}

static void further_modules_keep_their_order_and_arguments(void **state)
{
    struct load_request request;

    (void)state;
    assert_true(parse("[vm a]\nkernel=vmlinuz\nmodule = initrd one \"two\"  # three\nmodule=\"vmlinuz\"\n"
                      "module = 'initrd\tx'\n"));
    assert_true(config_resolve(&config, modules, ARRAY_LENGTH(modules)));
    config_load_request(&config.vms[0], 0, &request);
    assert_int_equal(request.module_count, 3);
    assert_ptr_equal(request.modules[0].file, &modules[2]);
    assert_string_equal(request.modules[0].arguments, "one \"two\"");
    assert_ptr_equal(request.modules[1].file, &modules[1]);
    assert_ptr_equal(request.modules[1].arguments, modules[1].arguments);
    assert_string_equal(request.modules[2].arguments, "x");
    assert_true(parse("[vm a]\nkernel=vmlinuz\nmodule = init r\n"));
    assert_false(config_resolve(&config, modules, ARRAY_LENGTH(modules)));
    assert_said("keel.conf:3: [vm a] module: there is no module named \"init\"");
}

static void a_vm_has_sixteen_further_modules_at_most(void **state)
{
    char text[600] = "[vm a]\nkernel=k\n";

    (void)state;
    for (unsigned i = 0; i < 16; i++)
        strcat(text, "module=m\n");
    assert_true(parse(text));
    strcat(text, "module=m\n");
    assert_false(parse(text));
    assert_said("keel.conf:19: [vm a] module: \"m\" is not the name of a module and its arguments, 16 times");
    assert_false(parse("[vm a]\nkernel=k\nmodule=\n"));
}

static void a_missing_module_is_said_with_those_there_are(void **state)
{
    (void)state;
    parse("[vm a]\nkernel = linux\n[vm b]\nkernel=vmlinuz\nramdisk=initrd.gz\n[vm c]\nkernel=vmlinuz\n");
    assert_false(config_resolve(&config, modules, 3));
    assert_said(
        "keel.conf:2: [vm a] kernel: there is no module named \"linux\"; the boot loader gave: keel.conf, "
        "vmlinuz, initrd; the VM is not started");
    assert_said("keel.conf:5: [vm b] ramdisk: there is no module named \"initrd.gz\"");
    assert_false(config.vms[0].start);
    assert_false(config.vms[1].start);
    assert_true(config.vms[2].start);
    assert_false(config_resolve(&config, NULL, 0));
    assert_said("the boot loader gave: none");
}

static void two_modules_of_the_named_name_are_refused(void **state)
{
    (void)state;
    parse("[vm a]\nkernel=twice\n");
    assert_false(config_resolve(&config, modules, ARRAY_LENGTH(modules)));
    assert_said("there are two modules named \"twice\"; rename one");
    assert_false(config.vms[0].start);
}

static void without_a_file_the_modules_kernel_and_ramdisk_are_a_vm(void **state)
{
    const struct module given[] = {{"kernel", "console=ttyS0 quiet", NULL, 0}, {"ramdisk", "", NULL, 0}};

    (void)state;
    fake_reset();
    assert_true(config_default(&config, given, 2));
    assert_int_equal(config.vm_count, 1);
    assert_string_equal(config.vms[0].name, "vm");
    assert_string_equal(config.vms[0].cmdline, "console=ttyS0 quiet");
    assert_int_equal(config.vms[0].memory, MIB(256));
    assert_true(config_resolve(&config, given, 2));
    assert_ptr_equal(config.vms[0].kernel_module, &given[0]);
    assert_ptr_equal(config.vms[0].ramdisk_module, &given[1]);
    assert_true(config_default(&config, given, 1));
    assert_true(config_resolve(&config, given, 1));
    assert_null(config.vms[0].ramdisk_module);
    assert_int_equal(config.console.port, 1);
    assert_false(config_default(&config, modules, 2));
    assert_said(
        "neither a module named keel.conf nor one named kernel; the boot loader gave: keel.conf, vmlinuz.");
    assert_int_equal(config.vm_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_resolved_to_modules),
        cmocka_unit_test(further_modules_keep_their_order_and_arguments),
        cmocka_unit_test(a_vm_has_sixteen_further_modules_at_most),
        cmocka_unit_test(a_missing_module_is_said_with_those_there_are),
        cmocka_unit_test(two_modules_of_the_named_name_are_refused),
        cmocka_unit_test(without_a_file_the_modules_kernel_and_ramdisk_are_a_vm),
    };
    return cmocka_run_group_tests_name("config_modules", tests, NULL, NULL);
}
