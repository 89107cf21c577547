#include "devices/testdev.h"

#include "hv/lib/string.h"

/* The bus asks for nothing beyond a range. */
static bool latch_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct testdev *dev = device->state;

    *value = 0;
    memcpy(value, dev->latched + offset, size);
    return true;
}

static bool latch_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev *dev = device->state;

    memcpy(dev->latched + offset, &value, size);
    return true;
}

static bool memory_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct testdev *dev = device->state;

    *value = 0;
    memcpy(value, dev->vm->test_memory + offset, size);
    return true;
}

static bool memory_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev *dev = device->state;

    memcpy(dev->vm->test_memory + offset, &value, size);
    return true;
}

static bool flush_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev *dev = device->state;

    (void)size;
    if (offset == 0)
        vm_hide_page(dev->vm, ALIGN_DOWN(value, PAGE_SIZE));
    return true;
}

static bool lines_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev *dev = device->state;

    (void)size;
    irq_line_set(&dev->irq[offset], value != 0);
    return true;
}

/* Everything, at the reset of one of its parts. */
static void reset(struct device *device)
{
    struct testdev *dev = device->state;

    memset(dev->latched, 0, sizeof(dev->latched));
    memset(dev->vm->test_memory, 0, VM_TEST_MEMORY);
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        irq_line_set(&dev->irq[i], false);
    vm_show_page(dev->vm);
}

static const struct device_ops latch_ops = {
    .read = latch_read, .write = latch_write, .reset = reset, .width = 4};
static const struct device_ops flush_ops = {.write = flush_write, .width = 4};
static const struct device_ops bytes_ops = {.read = latch_read, .write = latch_write, .width = 1};
static const struct device_ops lines_ops = {.write = lines_write, .width = 4};
static const struct device_ops memory_ops = {.read = memory_read, .write = memory_write, .width = 8};

void testdev_init(struct testdev *dev, struct vm *vm)
{
    struct spinlock *lock = &vm->lock;

    *dev = (struct testdev){
        .latch = {"test latch", &latch_ops, dev, lock},
        .flush = {"test page", &flush_ops, dev, lock},
        .bytes = {"test bytes", &bytes_ops, dev, lock},
        .lines = {"test lines", &lines_ops, dev, lock},
        .memory = {"test memory", &memory_ops, dev, lock},
        .vm = vm,
    };
}
