/* A machine's ACPI tables in memory, as a test wants them. */
#pragma once

#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "hv/host/acpi.h"
#include "hv/host/paging.h"

/* Physical memory: the low MiB, then tables. What is mapped is copied to the end of a fresh allocation, so
 * that a read beyond it is found. */
#define MEMORY    MIB(2)
#define TABLES    MIB(1)
#define HIGH_GATE GIB(5) /* seen at this address as well: only an XSDT reaches it */

static uint8_t *memory;
static void *mapped[1024];
static unsigned mapped_count;

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    uint8_t *copy;

    assert_true(mapping == HOST_READ || mapping == HOST_DEVICE);
    if (physical >= HIGH_GATE)
        physical -= HIGH_GATE;
    if (physical >= MEMORY || size > MEMORY - physical)
        return NULL; /* no memory for the mapping */
    assert_true(mapped_count < ARRAY_LENGTH(mapped));
    copy = malloc(size);
    memcpy(copy, memory + physical, size);
    return mapped[mapped_count++] = copy;
}

static struct boot_info info;

static inline int setup(void **state)
{
    (void)state;
    fake_reset();
    memory = calloc(1, MEMORY);
    memset(&info, 0, sizeof(info));
    memset(&machine, 0, sizeof(machine));
    serial_ports[1].irq = 3;
    serial_ports[SERIAL_ACPI] = (struct serial){.port = 0};
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    while (mapped_count)
        free(mapped[--mapped_count]);
    free(memory);
    return 0;
}

static inline void put(hpa_t at, unsigned size, uint64_t value)
{
    memcpy(memory + at, &value, size);
}

static inline void fix_sum(hpa_t at, uint64_t length, hpa_t checksum)
{
    uint8_t sum = 0;

    memory[checksum] = 0;
    for (uint64_t i = 0; i < length; i++)
        sum += memory[at + i];
    memory[checksum] = (uint8_t)-sum;
}

/* A table of `length` bytes with this body behind its header. */
static inline void table(hpa_t at, const char *signature, uint32_t length, const void *body,
                         size_t body_length)
{
    memcpy(memory + at, signature, 4);
    put(at + 4, 4, length);
    memcpy(memory + at + 36, body, body_length);
    fix_sum(at, length, at + 9);
}

static inline void set_rsdp(uint8_t *rsdp, unsigned revision, uint32_t rsdt, uint64_t xsdt)
{
    uint8_t sum = 0;

    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = (uint8_t)revision;
    memcpy(rsdp + 16, &rsdt, 4);
    if (revision >= 2)
        memcpy(rsdp + 24, &xsdt, 8);
    for (unsigned i = 0; i < 20; i++)
        sum += rsdp[i];
    rsdp[8] -= sum;
}

/* Where each table lies. */
enum {
    RSDT = TABLES,
    XSDT = RSDT + 0x100,
    MADT = XSDT + 0x100,
    FADT = MADT + 0x8000,
    DSDT = FADT + 0x1000,
    SPCR = DSDT + 0x2000
};

/* An RSDT that the boot loader's RSDP names, of the MADT and FADT. */
static inline void begin(void)
{
    set_rsdp(info.rsdp, 0, RSDT, 0);
    info.rsdp_length = 20;
    table(RSDT, "RSDT", 36 + 12, (const uint32_t[]){FADT, MADT, SPCR}, 12);
}

/* A MADT whose structures are these bytes. */
#define MADT_OF(...)                                                                                         \
    do {                                                                                                     \
        const uint8_t entries[] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0, __VA_ARGS__};                               \
        table(MADT, "APIC", 36 + sizeof(entries), entries, sizeof(entries));                                 \
    } while (0)

#define LE32(n) (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24)

/* The FADT and a DSDT of these AML bytes. */
static inline void set_fadt(uint32_t length, const uint8_t *aml, size_t aml_length)
{
    uint8_t body[244 - 36] = {0};

    memcpy(body + 40 - 36, (const uint8_t[]){LE32(DSDT)}, 4);
    memcpy(body + 64 - 36, (const uint8_t[]){LE32(0x404)}, 4);
    memcpy(body + 68 - 36, (const uint8_t[]){LE32(0x504)}, 4);
    memcpy(body + 76 - 36, (const uint8_t[]){LE32(0x408)}, 4);
    memcpy(body + 112 - 36, (const uint8_t[]){LE32(1 << 10)}, 4);
    memcpy(body + 116 - 36, (const uint8_t[]){1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 0x06}, 13);
    table(FADT, "FACP", length, body, MIN(length - 36, sizeof(body)));
    table(DSDT, "DSDT", 36 + (uint32_t)aml_length, aml, aml_length);
}

#define FADT_OF(length, ...)                                                                                 \
    set_fadt(length, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
