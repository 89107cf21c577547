/* A VM's lines and reports: all of them are said. */
#include "hv/life/vm_log.h"

#include <stdio.h>

#include "hv/host/log.h"
#include "hv/vm/vm.h"

static bool say(const struct vm *vm, const char *format, va_list arguments)
{
    char text[LOG_LINE];

    vsnprintf(text, sizeof(text), format, arguments);
    log_line("vm %s: %s", vm->name, text);
    return true;
}

bool vm_log(struct vm *vm, const char *format, ...)
{
    va_list arguments;
    bool said;

    va_start(arguments, format);
    said = say(vm, format, arguments);
    va_end(arguments);
    return said;
}

bool vm_log_crash(struct vm *vm, const char *format, ...)
{
    va_list arguments;
    bool said;

    va_start(arguments, format);
    said = say(vm, format, arguments);
    va_end(arguments);
    return said;
}

bool vm_may_report(struct vm *vm)
{
    (void)vm;
    return true;
}

bool vm_may_report_crash(struct vm *vm)
{
    (void)vm;
    return true;
}

void vm_log_init(struct vm_log *log, const char *name, bool restarts)
{
    (void)log, (void)name, (void)restarts;
}

void vm_log_free(struct vm_log *log, bool free)
{
    (void)log, (void)free;
}
