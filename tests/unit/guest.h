/* A guest on the host for tests of the emulator: RAM, a device in memory, a port device, and what was raised.
 */
#pragma once

#include "tests/unit/fake.h"

#define GUEST_RAM   KIB(512)
#define GUEST_MMIO  0xfed00000 /* two pages of a device that is plain memory and notes every access */
#define GUEST_STATE KIB(12)
#define GUEST_PORTS 0x300 /* 16 ports of a device that reads as it likes */

struct guest_access {
    bool write;
    uint64_t address; /* in the device, or the port */
    unsigned size;
    uint64_t value;
};

struct guest {
    struct vm vm;
    struct vcpu vcpu;
    uint8_t *ram;
    uint8_t mmio[2 * PAGE_SIZE];
    struct guest_access accesses[4096];
    unsigned access_count;
    struct fault fault; /* what vcpu_raise was last called with */
    bool raised;
    uint64_t traps; /* what vcpu_trap was called with, all together */
    uint32_t pkru;
    uint8_t state[GUEST_STATE] __attribute__((aligned(64))); /* x87 and vectors, as XSAVE64 has them */
    unsigned runs;                                           /* of instructions outside the integer core */
    unsigned physical_bits;
    bool pse36, pages_1g;
    uint32_t cpuid1_edx; /* what CPUID leaf 1 shows besides */
    uint32_t cpuid7_ebx, cpuid7_ecx;
    uint32_t cpuid_amd8_ebx; /* of 8000_0008 */
};

extern struct guest guest;

/* A new guest: 16-, 32- or 64-bit code without paging, zero RAM, zero registers. */
void guest_begin(unsigned bits);

/* Frees what guest_begin allocated. */
int guest_end(void **state);

/* Puts code at `address` and RIP there. */
void guest_code(uint64_t address, const void *code, unsigned length);
#define GUEST_CODE(address, ...)                                                                             \
    guest_code(address, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* x87 and SSE state: that after RESET, and but for FCW and MXCSR what an image of FXSAVE64 has. */
void guest_set_state(const uint8_t *fxsave);

/* Calls code of this process with the guest's registers, and its x87 and vector state in the CPU. */
struct stub_registers;
void guest_state_call(struct stub_registers *registers, uint64_t entry);

/* Pages of this process that can be read, written and executed. */
uint8_t *guest_pages(unsigned count);

/* CPL 0 or 3, with segments to match. */
void guest_set_cpl(unsigned cpl);

/* Little-endian values in RAM. */
uint64_t guest_peek(uint64_t address, unsigned size);
void guest_poke(uint64_t address, unsigned size, uint64_t value);
