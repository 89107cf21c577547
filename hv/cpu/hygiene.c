#include "hv/cpu/hygiene.h"

#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"

#define ARCH_CAPABILITIES BIT(29) /* CPUID.(7,0):EDX */

static unsigned used;

static struct hygiene_words read_words(void)
{
    const uint32_t genu = 0x756e6547; /* "GenuineIntel" begins so */
    struct hygiene_words words = {0};
    uint32_t highest, a, b, c, d;

    cpuid(0, 0, &highest, &b, &c, &d);
    words.intel = b == genu;
    if (highest >= 7)
        cpuid(7, 0, &a, &words.leaf7_ebx, &c, &words.leaf7_edx);
    cpuid(0x80000000, 0, &highest, &b, &c, &d);
    if (highest >= 0x80000008)
        cpuid(0x80000008, 0, &a, &words.extended8_ebx, &c, &d);
    if (words.leaf7_edx & ARCH_CAPABILITIES)
        rdmsr_safe(IA32_ARCH_CAPABILITIES, &words.arch_capabilities);
    return words;
}

/* Overwrites the buffers (SDM, "VERW" with MD_CLEAR): only the form with a segment of memory does. */
static void verw(void)
{
    static const uint16_t data = SELECTOR_DATA;

    __asm__ volatile("verw %0" : : "m"(data) : "cc");
}

/* Each command once, for an emulator that shows a bit and raises #GP. */
static unsigned tried(unsigned offered)
{
    if (offered & HYGIENE_IBPB && !wrmsr_safe(IA32_PRED_CMD, 1))
        offered &= ~(unsigned)HYGIENE_IBPB;
    if (offered & HYGIENE_L1D_FLUSH && !wrmsr_safe(IA32_FLUSH_CMD, 1))
        offered &= ~(unsigned)HYGIENE_L1D_FLUSH;
    return offered;
}

void hygiene_init(void)
{
    const struct hygiene_words words = read_words();
    unsigned needed = hygiene_needed(&words, &used);
    struct text_buffer buffer;
    char text[160];

    used = tried(used);
    text_buffer_init(&buffer, text, sizeof(text));
    hygiene_describe(&buffer.writer, needed, used);
    log_line("%s", text);
}

void hygiene_switch(unsigned *before, unsigned id)
{
    unsigned last = *before;

    *before = id;
    if (last == id || !last)
        return;
    if (used & HYGIENE_IBPB)
        wrmsr(IA32_PRED_CMD, 1);
    if (used & HYGIENE_L1D_FLUSH)
        wrmsr(IA32_FLUSH_CMD, 1);
    if (used & HYGIENE_VERW)
        verw();
}
