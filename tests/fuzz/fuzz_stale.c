/*
 * Decoded instructions are remembered: with the cache, an instruction must do what it does without. The input
 * is a sequence of what a guest may do between two exits: change CR0, CR3, CR4, CS, its page tables and its
 * code, and run the instruction at one of few places. A vendor's processor tells Keel of no change but those
 * that virt->run.watch_paging asked for.
 */
#include "hv/emulate/emulate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/guest.h"

#include <string.h>

#define TABLES      0x10000 /* eight pages of paging structures of every mode */
#define TABLE_PAGES 8
#define CODE_PAGES  4 /* from 0x1000 */

static uint64_t *const regs = fake_cpu.regs;

/* Instructions of other lengths, registers and sizes; the address is filled in. */
static const struct {
    uint8_t bytes[4], length, address_at;
} loads[] = {
    {{0xa1}, 5, 1},             /* mov eax, [moffs]; 9 bytes in 64-bit code */
    {{0x8b, 0x1f}, 2, 0},       /* mov ebx, [rdi] */
    {{0x48, 0x8b, 0x0f}, 3, 0}, /* mov rcx, [rdi]; dec eax elsewhere */
    {{0x66, 0x89, 0x37}, 3, 0}, /* mov [rdi], si */
    {{0x0f, 0xb6, 0x17}, 3, 0}, /* movzx edx, byte [rdi] */
    {{0x2e, 0x8a, 0x2f}, 3, 0}, /* mov ch, cs:[rdi] */
};

static void put_code(uint64_t at, unsigned which)
{
    uint32_t address = GUEST_MMIO;

    memcpy(guest.ram + at, loads[which].bytes, 4);
    if (loads[which].address_at)
        memcpy(guest.ram + at + loads[which].address_at, &address, 4);
}

static void tell(uint64_t *value, uint64_t new, uint64_t watched)
{
    if ((*value ^ new) & watched && fake_cpu.watched) {
        fake_cpu.watched = false;
        guest.vcpu.arch.code_changed = true;
    }
    *value = new;
}

/* Entries that lead to the tables, to code, or to the device. */
static uint64_t make_entry(uint8_t a, uint8_t b)
{
    uint64_t to = a & 0x80   ? GUEST_MMIO
                  : a & 0x40 ? (uint64_t)(1 + (a & 3)) << 12
                             : TABLES + ((uint64_t)(a & (TABLE_PAGES - 1)) << 12);

    return to | (b & 0xe7) | 1;
}

static void change(uint8_t what, uint8_t a, uint8_t b)
{
    static const uint64_t cr4_bits[] = {CR4_PAE, CR4_PSE, CR4_LA57, CR4_PGE};
    struct segment *cs = &fake_cpu.segments[SEG_CS];

    switch (what) {
    case 0:
        tell(&regs[REG_CR0], regs[REG_CR0] ^ (a & 1 ? CR0_PG : CR0_WP), CR0_PG);
        break;
    case 1:
        tell(&regs[REG_CR4], regs[REG_CR4] ^ cr4_bits[a & 3], CR4_PAE | CR4_PSE | CR4_LA57);
        break;
    case 2:
        regs[REG_CR3] = TABLES + ((uint64_t)(a & (TABLE_PAGES - 1)) << 12);
        break;
    case 3:
        guest_poke(TABLES + ((uint64_t)(a & (TABLE_PAGES - 1)) << 12) + (b & 0xf) * 4, 8, make_entry(b, a));
        break;
    case 4:
        put_code((uint64_t)(1 + (a & 3)) << 12, b % ARRAY_LENGTH(loads));
        break;
    case 5:
        cs->base = (a & 1) * 0x1000u;
        break;
    case 6: /* far to code of another size: long mode's CS is always a code segment of its own */
        cs->attributes ^= a & 1 ? SEG_DB : SEG_L;
        break;
    default: /* EFER exits */
        regs[REG_EFER] ^= a & 1 ? EFER_LMA : EFER_NXE;
        guest.vcpu.arch.code_changed = true;
    }
}

struct outcome {
    enum emulate_result result;
    uint64_t gpr[16], rip;
    unsigned accesses;
    struct fault fault;
};

static struct outcome run(uint64_t rip)
{
    struct outcome outcome;

    for (unsigned i = 0; i < 16; i++)
        guest.vcpu.arch.gpr[i] = 0x1111111111111111u * i;
    guest.vcpu.arch.gpr[REG_RDI] = GUEST_MMIO;
    guest.access_count = 0;
    guest.fault = (struct fault){0};
    regs[REG_RIP] = rip;
    outcome.result = emulate(&guest.vcpu, EMULATE_NO_GPA);
    memcpy(outcome.gpr, guest.vcpu.arch.gpr, sizeof(outcome.gpr));
    outcome.rip = regs[REG_RIP];
    outcome.accesses = guest.access_count;
    outcome.fault = guest.fault;
    return outcome;
}

/* What one run may change and the next is to find as it was, but for the cache. */
static uint8_t ram[GUEST_RAM], mmio[sizeof(guest.mmio)];
static struct fake_cpu cpu;

static void keep(void)
{
    memcpy(ram, guest.ram, sizeof(ram));
    memcpy(mmio, guest.mmio, sizeof(mmio));
    cpu = fake_cpu;
}

static void bring_back(void)
{
    memcpy(guest.ram, ram, sizeof(ram));
    memcpy(guest.mmio, mmio, sizeof(mmio));
    fake_cpu = cpu;
}

static unsigned length_at(uint64_t rip)
{
    const struct segment *cs = &fake_cpu.segments[SEG_CS];

    regs[REG_RIP] = rip;
    return emulate_length(&guest.vcpu, rip, regs[REG_CR3], cs->base, cs->attributes);
}

/* The same exit with what was remembered, and with nothing. */
static void compare(uint64_t rip)
{
    static uint8_t cache[64 * 1024];
    bool changed = guest.vcpu.arch.code_changed;
    struct outcome remembered, fresh;
    unsigned length, fresh_length;

    MUST(decode_cache_size() <= sizeof(cache));
    memcpy(cache, guest.vcpu.arch.decode_cache, decode_cache_size());
    keep();
    guest.vcpu.arch.code_changed = true;
    run(rip); /* what a fetch marks as accessed is marked for both: an instruction may read it */
    fake_cpu = cpu;
    keep();
    guest.vcpu.arch.code_changed = true;
    fresh = run(rip);
    bring_back();
    guest.vcpu.arch.code_changed = true;
    fresh_length = length_at(rip);
    bring_back();
    memcpy(guest.vcpu.arch.decode_cache, cache, decode_cache_size());
    guest.vcpu.arch.code_changed = changed;
    length = length_at(rip);
    remembered = run(rip);
    MUST(remembered.result == fresh.result && remembered.rip == fresh.rip);
    MUST(memcmp(remembered.gpr, fresh.gpr, sizeof(fresh.gpr)) == 0);
    MUST(remembered.accesses == fresh.accesses);
    MUST(remembered.fault.vector == fresh.fault.vector && remembered.fault.error == fresh.fault.error);
    MUST(length == fresh_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    guest_begin(data[0] & 1 ? 32 : data[0] & 2 ? 16 : 64);
    if (!(data[0] & 3))
        regs[REG_CR0] |= CR0_PG, regs[REG_CR4] |= CR4_PAE;
    regs[REG_CR3] = TABLES;
    for (unsigned page = 0; page < CODE_PAGES; page++)
        put_code((1 + page) << 12, page);
    for (unsigned page = 0; page < TABLE_PAGES; page++) /* linear 0x0 to 0x3fff is code, in another order */
        for (unsigned i = 0; i < 8; i++)
            guest_poke(TABLES + (page << 12) + 8 * i, 8,
                       page == TABLE_PAGES - 1 ? (1 + (i ^ 1) % CODE_PAGES) << 12 | 0x67
                                               : (TABLES + ((page + 1) << 12)) | 0x67);
    for (size_t at = 1; at + 3 <= size; at += 3) {
        if (data[at] & 8)
            compare((uint64_t)(data[at + 1] & 3) << 12);
        else
            change(data[at] & 7, data[at + 1], data[at + 2]);
    }
    return 0;
}
