#include "hv/cpu/cpuid_features.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/cpuid_policy.h"
#include "hv/lib/string.h"
#include "hv/x86/x86.h"

#define NAME_MOST  24
#define NEAR       2 /* so many letters that are wrong, missing or too many */
#define NEAR_SHOWN 6
#define FIXED      "" /* in place of a need: a VM cannot be without it */

enum { EAX = CPUID_EAX, EBX = CPUID_EBX, ECX = CPUID_ECX, EDX = CPUID_EDX };

/* clang-format off */
static const struct cpuid_feature features[] = {
    {"fpu", FIXED, 1, 0, EDX, 0, 0},
    {"vme", NULL, 1, 0, EDX, 1, 0},
    {"de", NULL, 1, 0, EDX, 2, 0},
    {"pse", NULL, 1, 0, EDX, 3, 0},
    {"tsc", FIXED, 1, 0, EDX, 4, 0},
    {"msr", FIXED, 1, 0, EDX, 5, 0},
    {"pae", FIXED, 1, 0, EDX, 6, 0},
    {"mce", NULL, 1, 0, EDX, 7, 0},
    {"cx8", NULL, 1, 0, EDX, 8, 0},
    {"apic", FIXED, 1, 0, EDX, 9, 0},
    {"sep", FIXED, 1, 0, EDX, 11, 0},
    {"mtrr", FIXED, 1, 0, EDX, 12, 0},
    {"pge", NULL, 1, 0, EDX, 13, 0},
    {"mca", FIXED, 1, 0, EDX, 14, 0},
    {"cmov", NULL, 1, 0, EDX, 15, 0},
    {"pat", FIXED, 1, 0, EDX, 16, 0},
    {"pse36", "pse", 1, 0, EDX, 17, 0},
    {"clflush", NULL, 1, 0, EDX, 19, 0},
    {"mmx", NULL, 1, 0, EDX, 23, 0},
    {"fxsr", NULL, 1, 0, EDX, 24, 0},
    {"sse", "fxsr", 1, 0, EDX, 25, 0},
    {"sse2", "sse", 1, 0, EDX, 26, 0},
    {"ss", NULL, 1, 0, EDX, 27, 0},
    {"ht", NULL, 1, 0, EDX, 28, 0},
    {"pni", "sse2", 1, 0, ECX, 0, 0},
    {"pclmulqdq", "sse2", 1, 0, ECX, 1, 0},
    {"ssse3", "pni", 1, 0, ECX, 9, 0},
    {"fma", "avx", 1, 0, ECX, 12, 0},
    {"cx16", "cx8", 1, 0, ECX, 13, 0},
    {"pcid", "lm", 1, 0, ECX, 17, 0},
    {"sse4_1", "ssse3", 1, 0, ECX, 19, 0},
    {"sse4_2", "sse4_1", 1, 0, ECX, 20, 0},
    {"x2apic", NULL, 1, 0, ECX, 21, 0},
    {"movbe", NULL, 1, 0, ECX, 22, 0},
    {"popcnt", NULL, 1, 0, ECX, 23, 0},
    {"tsc_deadline_timer", NULL, 1, 0, ECX, 24, 0},
    {"aes", "sse2", 1, 0, ECX, 25, 0},
    {"xsave", "fxsr", 1, 0, ECX, 26, UINT64_MAX},
    {"avx", "xsave", 1, 0, ECX, 28, XCR0_AVX | XCR0_AVX512},
    {"f16c", "avx", 1, 0, ECX, 29, 0},
    {"rdrand", NULL, 1, 0, ECX, 30, 0},
    {"hypervisor", NULL, 1, 0, ECX, 31, 0},
    {"fsgsbase", "lm", 7, 0, EBX, 0, 0},
    {"tsc_adjust", NULL, 7, 0, EBX, 1, 0},
    {"bmi1", NULL, 7, 0, EBX, 3, 0},
    {"hle", NULL, 7, 0, EBX, 4, 0},
    {"avx2", "avx", 7, 0, EBX, 5, 0},
    {"smep", NULL, 7, 0, EBX, 7, 0},
    {"bmi2", NULL, 7, 0, EBX, 8, 0},
    {"erms", NULL, 7, 0, EBX, 9, 0},
    {"invpcid", "pcid", 7, 0, EBX, 10, 0},
    {"rtm", NULL, 7, 0, EBX, 11, 0},
    {"avx512f", "avx2", 7, 0, EBX, 16, XCR0_AVX512},
    {"avx512dq", "avx512f", 7, 0, EBX, 17, 0},
    {"rdseed", NULL, 7, 0, EBX, 18, 0},
    {"adx", NULL, 7, 0, EBX, 19, 0},
    {"smap", NULL, 7, 0, EBX, 20, 0},
    {"avx512ifma", "avx512f", 7, 0, EBX, 21, 0},
    {"clflushopt", "clflush", 7, 0, EBX, 23, 0},
    {"clwb", "clflush", 7, 0, EBX, 24, 0},
    {"avx512pf", "avx512f", 7, 0, EBX, 26, 0},
    {"avx512er", "avx512f", 7, 0, EBX, 27, 0},
    {"avx512cd", "avx512f", 7, 0, EBX, 28, 0},
    {"sha_ni", "sse2", 7, 0, EBX, 29, 0},
    {"avx512bw", "avx512f", 7, 0, EBX, 30, 0},
    {"avx512vl", "avx512f", 7, 0, EBX, 31, 0},
    {"avx512vbmi", "avx512bw", 7, 0, ECX, 1, 0},
    {"umip", NULL, 7, 0, ECX, 2, 0},
    {"pku", "xsave", 7, 0, ECX, 3, XCR0_PKRU},
    {"waitpkg", NULL, 7, 0, ECX, 5, 0},
    {"avx512_vbmi2", "avx512vl", 7, 0, ECX, 6, 0},
    {"gfni", "sse2", 7, 0, ECX, 8, 0},
    {"vaes", "avx", 7, 0, ECX, 9, 0},
    {"vpclmulqdq", "avx", 7, 0, ECX, 10, 0},
    {"avx512_vnni", "avx512vl", 7, 0, ECX, 11, 0},
    {"avx512_bitalg", "avx512vl", 7, 0, ECX, 12, 0},
    {"avx512_vpopcntdq", "avx512f", 7, 0, ECX, 14, 0},
    {"la57", "lm", 7, 0, ECX, 16, 0},
    {"rdpid", "rdtscp", 7, 0, ECX, 22, 0},
    {"cldemote", NULL, 7, 0, ECX, 25, 0},
    {"movdiri", NULL, 7, 0, ECX, 27, 0},
    {"movdir64b", NULL, 7, 0, ECX, 28, 0},
    {"avx512_4vnniw", "avx512f", 7, 0, EDX, 2, 0},
    {"avx512_4fmaps", "avx512f", 7, 0, EDX, 3, 0},
    {"fsrm", NULL, 7, 0, EDX, 4, 0},
    {"avx512_vp2intersect", "avx512vl", 7, 0, EDX, 8, 0},
    {"md_clear", NULL, 7, 0, EDX, 10, 0},
    {"serialize", NULL, 7, 0, EDX, 14, 0},
    {"tsxldtrk", "rtm", 7, 0, EDX, 16, 0},
    {"amx_bf16", "amx_tile", 7, 0, EDX, 22, 0},
    {"avx512_fp16", "avx512bw", 7, 0, EDX, 23, 0},
    {"amx_tile", "xsave", 7, 0, EDX, 24, XCR0_AMX},
    {"amx_int8", "amx_tile", 7, 0, EDX, 25, 0},
    {"sha512", "avx2", 7, 1, EAX, 0, 0},
    {"sm3", "avx", 7, 1, EAX, 1, 0},
    {"sm4", "avx2", 7, 1, EAX, 2, 0},
    {"avx_vnni", "avx2", 7, 1, EAX, 4, 0},
    {"avx512_bf16", "avx512vl", 7, 1, EAX, 5, 0},
    {"cmpccxadd", NULL, 7, 1, EAX, 7, 0},
    {"fzrm", NULL, 7, 1, EAX, 10, 0},
    {"fsrs", NULL, 7, 1, EAX, 11, 0},
    {"fsrc", NULL, 7, 1, EAX, 12, 0},
    {"amx_fp16", "amx_tile", 7, 1, EAX, 21, 0},
    {"avx_ifma", "avx2", 7, 1, EAX, 23, 0},
    {"avx_vnni_int8", "avx2", 7, 1, EDX, 4, 0},
    {"avx_ne_convert", "avx2", 7, 1, EDX, 5, 0},
    {"amx_complex", "amx_tile", 7, 1, EDX, 8, 0},
    {"avx_vnni_int16", "avx2", 7, 1, EDX, 10, 0},
    {"arat", NULL, 6, 0, EAX, 2, 0},
    {"xsaveopt", "xsave", 0xd, 1, EAX, 0, 0},
    {"xsavec", "xsave", 0xd, 1, EAX, 1, 0},
    {"xgetbv1", "xsave", 0xd, 1, EAX, 2, 0},
    {"xsaves", "xsavec", 0xd, 1, EAX, 3, 0},
    {"lahf_lm", "lm", 0x80000001, 0, ECX, 0, 0},
    {"cmp_legacy", NULL, 0x80000001, 0, ECX, 1, 0},
    {"cr8_legacy", NULL, 0x80000001, 0, ECX, 4, 0},
    {"abm", NULL, 0x80000001, 0, ECX, 5, 0},
    {"sse4a", "pni", 0x80000001, 0, ECX, 6, 0},
    {"misalignsse", "sse", 0x80000001, 0, ECX, 7, 0},
    {"3dnowprefetch", NULL, 0x80000001, 0, ECX, 8, 0},
    {"xop", "avx", 0x80000001, 0, ECX, 11, 0},
    {"fma4", "avx", 0x80000001, 0, ECX, 16, 0},
    {"tbm", NULL, 0x80000001, 0, ECX, 21, 0},
    {"topoext", NULL, 0x80000001, 0, ECX, 22, 0},
    {"syscall", FIXED, 0x80000001, 0, EDX, 11, 0},
    {"nx", NULL, 0x80000001, 0, EDX, 20, 0},
    {"mmxext", "mmx", 0x80000001, 0, EDX, 22, 0},
    {"pdpe1gb", "lm", 0x80000001, 0, EDX, 26, 0},
    {"rdtscp", NULL, 0x80000001, 0, EDX, 27, 0},
    {"lm", FIXED, 0x80000001, 0, EDX, 29, 0},
    {"3dnowext", "3dnow", 0x80000001, 0, EDX, 30, 0},
    {"3dnow", "mmx", 0x80000001, 0, EDX, 31, 0},
    {"nonstop_tsc", NULL, 0x80000007, 0, EDX, 8, 0},
    {"clzero", NULL, 0x80000008, 0, EBX, 0, 0},
    {"xsaveerptr", "xsave", 0x80000008, 0, EBX, 2, 0},
    {"wbnoinvd", NULL, 0x80000008, 0, EBX, 9, 0},
};
/* clang-format on */

#define FEATURES ARRAY_LENGTH(features)

_Static_assert(FEATURES <= CPUID_FEATURES_MOST, "every feature has its place in a choice");

/* What AMD's processors repeat of leaf 1, EDX, in leaf 8000_0001H. */
#define REPEATED 0x0183f1ffu

static bool has(const uint64_t *set, unsigned feature)
{
    return set[feature / 64] >> feature % 64 & 1;
}

static void put(uint64_t *set, unsigned feature)
{
    set[feature / 64] |= BIT(feature % 64);
}

/* Its place, or FEATURES. */
static unsigned find(const char *name, size_t length)
{
    unsigned i = 0;

    while (i < FEATURES &&
           (strlen(features[i].name) != length || memcmp(features[i].name, name, length) != 0))
        i++;
    return i;
}

/* How many letters must be changed, added or left out to make the one of the other, which has NAME_MOST at
 * most. */
static unsigned distance(const char *a, size_t length, const char *b)
{
    uint8_t row[NAME_MOST + 1];
    size_t columns = strlen(b);

    for (size_t j = 0; j <= columns; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 0; i < length; i++) {
        uint8_t corner = row[0];

        row[0] = (uint8_t)(i + 1);
        for (size_t j = 0; j < columns; j++) {
            uint8_t change = corner + (a[i] != b[j]);

            corner = row[j + 1];
            row[j + 1] = MIN(change, MIN(row[j], corner) + 1);
        }
    }
    return row[columns];
}

static bool begins_with(const char *text, size_t length, const char *with)
{
    size_t most = MIN(length, strlen(with));

    return most >= 3 && memcmp(text, with, most) == 0;
}

static bool say_unknown(struct writer *reason, const char *name, size_t length)
{
    unsigned near = 0;

    print_to(reason, "\"%.*s\" is not a feature of /proc/cpuinfo that a VM can have",
             (int)MIN(length, NAME_MOST), name);
    for (unsigned most = 0; most <= NEAR && length <= NAME_MOST; most++)
        for (unsigned i = 0; i < FEATURES && near < NEAR_SHOWN; i++) {
            unsigned far = distance(name, length, features[i].name);

            far = far > NEAR && begins_with(name, length, features[i].name) ? NEAR : far;
            if (far == most)
                print_to(reason, "%s %s", near++ ? "," : "; near it are", features[i].name);
        }
    return false;
}

static bool take(struct cpuid_choice *choice, const char *word, size_t length, struct writer *reason)
{
    unsigned feature;

    if (word[0] != '+' && word[0] != '-') {
        print_to(reason, "\"%.*s\" begins with neither + nor -", (int)MIN(length, NAME_MOST), word);
        return false;
    }
    feature = find(word + 1, length - 1);
    if (feature == FEATURES)
        return say_unknown(reason, word + 1, length - 1);
    if (word[0] == '-' && features[feature].needs && !*features[feature].needs) {
        print_to(reason, "%s cannot be hidden: no VM is without it", features[feature].name);
        return false;
    }
    put(word[0] == '-' ? choice->hidden : choice->wanted, feature);
    return true;
}

/* Hides what needs something that is hidden, until nothing changes. */
static void follow(struct cpuid_choice *choice)
{
    bool again = true;

    while (again) {
        again = false;
        for (unsigned i = 0; i < FEATURES; i++) {
            const char *needs = features[i].needs;

            if (!needs || !*needs || has(choice->hidden, i) || !cpuid_is_hidden(choice, needs))
                continue;
            put(choice->hidden, i);
            again = true;
        }
    }
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == ',';
}

bool cpuid_choice_read(const char *text, struct cpuid_choice *choice, struct writer *reason)
{
    memset(choice, 0, sizeof(*choice));
    for (;;) {
        size_t length = 0;

        while (is_separator(*text))
            text++;
        if (!*text)
            break;
        while (text[length] && !is_separator(text[length]))
            length++;
        if (!take(choice, text, length, reason))
            return false;
        text += length;
    }
    follow(choice);
    for (unsigned i = 0; i < FEATURES; i++)
        if (has(choice->wanted, i) && has(choice->hidden, i)) {
            print_to(reason, "%s is wanted and hidden%s%s", features[i].name,
                     features[i].needs ? ", as what needs " : "", features[i].needs ? features[i].needs : "");
            return false;
        }
    return true;
}

bool cpuid_is_hidden(const struct cpuid_choice *choice, const char *name)
{
    unsigned feature = find(name, strlen(name));

    return feature < FEATURES && has(choice->hidden, feature);
}

uint64_t cpuid_hidden_xcr0(const struct cpuid_choice *choice)
{
    uint64_t xcr0 = 0;

    for (unsigned i = 0; i < FEATURES; i++)
        xcr0 |= has(choice->hidden, i) ? features[i].xcr0 : 0;
    return xcr0;
}

static void add_bit(struct cpuid_regs *regs, unsigned reg, unsigned bit)
{
    uint32_t *all[] = {&regs->eax, &regs->ebx, &regs->ecx, &regs->edx};

    *all[reg] |= (uint32_t)BIT(bit);
}

static struct cpuid_regs bits_of(const uint64_t *set, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs regs = {0};

    for (unsigned i = 0; i < FEATURES; i++)
        if (has(set, i) && features[i].leaf == leaf && features[i].subleaf == subleaf)
            add_bit(&regs, features[i].reg, features[i].bit);
    return regs;
}

struct cpuid_regs cpuid_hidden_bits(const struct cpuid_choice *choice, uint32_t leaf, uint32_t subleaf,
                                    bool amd)
{
    struct cpuid_regs regs = bits_of(choice->hidden, leaf, subleaf);

    if (leaf == 0x80000001 && amd)
        regs.edx |= bits_of(choice->hidden, 1, 0).edx & REPEATED;
    return regs;
}

struct cpuid_regs cpuid_wanted_bits(const struct cpuid_choice *choice, uint32_t leaf, uint32_t subleaf)
{
    return bits_of(choice->wanted, leaf, subleaf);
}

const struct cpuid_feature *cpuid_next_wanted(const struct cpuid_choice *choice,
                                              const struct cpuid_feature *after)
{
    for (unsigned i = after ? (unsigned)(after - features) + 1 : 0; i < FEATURES; i++)
        if (has(choice->wanted, i))
            return &features[i];
    return NULL;
}
