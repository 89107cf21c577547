#include "devices/debug_ports.h"

/* Any vCPU may write here at any time, so the bytes are accessed atomically instead of under a lock. */
static bool post_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct debug_ports *ports = device->state;

    (void)size;
    *value = __atomic_load_n(&ports->latch[offset], __ATOMIC_RELAXED);
    return true;
}

static bool post_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct debug_ports *ports = device->state;

    (void)size;
    __atomic_store_n(&ports->latch[offset], (uint8_t)value, __ATOMIC_RELAXED);
    return true;
}

static void post_reset(struct device *device)
{
    struct debug_ports *ports = device->state;

    for (unsigned i = 0; i < ARRAY_LENGTH(ports->latch); i++)
        ports->latch[i] = 0;
}

static void post_describe(struct device *device, struct writer *out)
{
    const struct debug_ports *ports = device->state;

    print_to(out, "POST code %02x\n", ports->latch[0]);
}

static bool swallow_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset;
    *value = size_mask(size);
    return true;
}

static bool swallow_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return true;
}

static bool console_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = 0xe9;
    return true;
}

static bool console_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct debug_ports *ports = device->state;

    (void)offset, (void)size;
    if (ports->backend.put)
        ports->backend.put(ports->backend.owner, (uint8_t)value);
    return true;
}

static bool exit_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = 0;
    return true;
}

static bool exit_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct debug_ports *ports = device->state;

    (void)size;
    if (offset != 0)
        return false;
    vm_stop(ports->vm, VM_EXITED, (uint32_t)value << 1 | 1);
    return true;
}

static const struct device_ops post_ops = {
    .read = post_read, .write = post_write, .reset = post_reset, .describe = post_describe, .width = 1};
static const struct device_ops swallow_ops = {.read = swallow_read, .write = swallow_write, .width = 1};
static const struct device_ops console_ops = {.read = console_read, .write = console_write, .width = 1};
static const struct device_ops exit_ops = {.read = exit_read, .write = exit_write, .width = 4};

void debug_ports_init(struct debug_ports *ports, struct vm *vm, const struct serial_backend *backend)
{
    *ports = (struct debug_ports){
        .post = {"POST code", &post_ops, ports, NULL},
        .delay = {"delay", &swallow_ops, ports, NULL},
        .fpu = {"coprocessor error", &swallow_ops, ports, NULL},
        .console = {"debug console", &console_ops, ports, NULL},
        .exit = {"debug exit", &exit_ops, ports, NULL},
        .vm = vm,
        .backend = *backend,
    };
}
