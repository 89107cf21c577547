#include "devices/fw_cfg.h"

/* QEMU, "Firmware Configuration (fw_cfg) Device": keys of items. */
enum { SIGNATURE = 0, INTERFACE = 1, RAM_SIZE = 3, PROCESSORS = 5, PROCESSORS_MOST = 15 };

#define ANSWERS       UINT64_C(0x554d4551) /* "QEMU" */
#define BY_PORTS_ONLY 1

/* Items are little-endian numbers, and those that are not there are zeros, as is what follows an item. */
static uint64_t item(const struct fw_cfg *cfg)
{
    switch (cfg->key) {
    case SIGNATURE:
        return ANSWERS;
    case INTERFACE:
        return BY_PORTS_ONLY;
    case RAM_SIZE:
        return cfg->memory;
    case PROCESSORS:
    case PROCESSORS_MOST:
        return cfg->processors;
    default:
        return 0;
    }
}

static bool read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct fw_cfg *cfg = device->state;

    if (offset != 1 || size != 1)
        return false;
    *value = cfg->at < 8 ? item(cfg) >> 8 * cfg->at++ & 0xff : 0;
    return true;
}

static bool write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg *cfg = device->state;

    if (offset != 0 || size != 2)
        return false;
    cfg->key = (uint16_t)value;
    cfg->at = 0;
    return true;
}

static void reset(struct device *device)
{
    struct fw_cfg *cfg = device->state;

    cfg->key = 0;
    cfg->at = 0;
}

static const struct device_ops ops = {.read = read, .write = write, .reset = reset, .width = 2};

void fw_cfg_init(struct fw_cfg *cfg, struct spinlock *lock, unsigned processors, uint64_t memory)
{
    *cfg = (struct fw_cfg){
        .device = {"fw_cfg", &ops, cfg, lock}, .memory = memory, .processors = (uint16_t)processors};
}
