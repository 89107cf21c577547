#include "devices/reset.h"

/* Reset control register. Bit 1 chooses a hard reset or INIT, bit 3 a power cycle: a VM has one kind for all.
 */
#define CONTROL_KIND 0x0a
#define CONTROL_GO   0x04 /* from 0 to 1: now */

#define PORT_A_INIT  0x01 /* from 0 to 1: now */
#define PORT_A_A20   0x02

static bool control_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct reset_control *reset = device->state;

    (void)offset, (void)size;
    *value = reset->control_value;
    return true;
}

static bool control_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset_control *reset = device->state;
    bool was_set = reset->control_value & CONTROL_GO;

    (void)offset, (void)size;
    reset->control_value = value & (CONTROL_KIND | CONTROL_GO);
    if (value & CONTROL_GO && !was_set)
        vm_stop(reset->vm, VM_RESET, 0);
    return true;
}

static bool port_a_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct reset_control *reset = device->state;

    (void)offset, (void)size;
    *value = reset->port_a_value;
    return true;
}

static bool port_a_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct reset_control *reset = device->state;
    bool was_set = reset->port_a_value & PORT_A_INIT;

    (void)offset, (void)size;
    reset->port_a_value = value & (PORT_A_INIT | PORT_A_A20);
    /* INIT starts the processor at the firmware's entry, which for a VM means from the beginning. */
    if (value & PORT_A_INIT && !was_set)
        vm_stop(reset->vm, VM_RESET, 0);
    return true;
}

static void control_reset(struct device *device)
{
    struct reset_control *reset = device->state;

    reset->control_value = 0;
}

static void port_a_reset(struct device *device)
{
    struct reset_control *reset = device->state;

    reset->port_a_value = PORT_A_A20;
}

static void describe(struct device *device, struct writer *out)
{
    const struct reset_control *reset = device->state;

    print_to(out, "reset control %02x port 92 %02x\n", reset->control_value, reset->port_a_value);
}

static const struct device_ops control_ops = {
    .read = control_read, .write = control_write, .reset = control_reset, .describe = describe, .width = 1};
static const struct device_ops port_a_ops = {
    .read = port_a_read, .write = port_a_write, .reset = port_a_reset, .describe = describe, .width = 1};

void reset_control_init(struct reset_control *reset, struct vm *vm)
{
    *reset = (struct reset_control){
        .control = {"reset control", &control_ops, reset, &vm->lock},
        .port_a = {"port A", &port_a_ops, reset, &vm->lock},
        .vm = vm,
    };
}
