#include "hv/show/gdb_registers.h"

#include "hv/lib/string.h"

#define AT(member) offsetof(struct gdb_registers, member)
#define NARROW     1
#define WIDE       2
#define BOTH       (NARROW | WIDE)

enum feature { CORE, SSE, SEGMENTS, SYSTEM, FEATURES };

static const char *const feature_names[FEATURES] = {"org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse",
                                                    "org.gnu.gdb.i386.segments", "org.keel.system"};

/* GDB's order of the general registers in 64-bit mode, as numbers that instructions encode. */
static const uint8_t wide_order[16] = {0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15};

/* Registers alike, `stride` bytes apart, in the order in which GDB numbers them. */
static const struct group {
    uint8_t modes, feature, stride, size;
    uint16_t offset;
    const uint8_t *order;
    const char *names, *type;
} groups[] = {
    /* clang-format off */
    {WIDE,   CORE,     8,  8,  AT(general),   wide_order, "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15", "int64"},
    {NARROW, CORE,     8,  4,  AT(general),   NULL, "eax ecx edx ebx esp ebp esi edi", "int32"},
    {WIDE,   CORE,     8,  8,  AT(rip),       NULL, "rip", "code_ptr"},
    {NARROW, CORE,     8,  4,  AT(rip),       NULL, "eip", "code_ptr"},
    {BOTH,   CORE,     8,  4,  AT(rflags),    NULL, "eflags", "eflags"},
    {BOTH,   CORE,     4,  4,  AT(segments),  NULL, "cs ss ds es fs gs", "int32"},
    {BOTH,   CORE,     16, 10, AT(st),        NULL, "st0 st1 st2 st3 st4 st5 st6 st7", "i387_ext"},
    {BOTH,   CORE,     4,  4,  AT(fpu),       NULL, "fctrl fstat ftag fiseg fioff foseg fooff fop", "int32"},
    {BOTH,   SSE,      16, 16, AT(xmm),       NULL, "xmm0 xmm1 xmm2 xmm3 xmm4 xmm5 xmm6 xmm7", "vec128"},
    {WIDE,   SSE,      16, 16, AT(xmm[8]),    NULL, "xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15", "vec128"},
    {BOTH,   SSE,      4,  4,  AT(mxcsr),     NULL, "mxcsr", "int32"},
    {WIDE,   SEGMENTS, 8,  8,  AT(fs_base),   NULL, "fs_base gs_base", "data_ptr"},
    {BOTH,   SYSTEM,   8,  8,  AT(kernel_gs_base), NULL, "k_gs_base cr0 cr2 cr3 cr4 cr8 efer", "int64"},
    /* clang-format on */
};

static bool in_mode(const struct group *group, bool wide)
{
    return group->modes & (wide ? WIDE : NARROW);
}

static unsigned count_names(const char *names)
{
    unsigned count = 1;

    for (; *names; names++)
        count += *names == ' ';
    return count;
}

unsigned gdb_register_count(bool wide)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(groups); i++)
        count += in_mode(&groups[i], wide) ? count_names(groups[i].names) : 0;
    return count;
}

uint8_t *gdb_register(struct gdb_registers *registers, bool wide, unsigned number, unsigned *size)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(groups); i++) {
        const struct group *group = &groups[i];
        unsigned count = count_names(group->names);

        if (!in_mode(group, wide))
            continue;
        if (number < count) {
            *size = group->size;
            return (uint8_t *)registers + group->offset +
                   group->stride * (group->order ? group->order[number] : number);
        }
        number -= count;
    }
    return NULL;
}

static void describe_group(struct writer *out, const struct group *group)
{
    const char *name = group->names;

    while (name) {
        const char *end = strchr(name, ' ');
        int length = (int)(end ? (size_t)(end - name) : strlen(name));

        print_to(out, "<reg name=\"%.*s\" bitsize=\"%u\" type=\"%s\"/>", length, name, 8u * group->size,
                 group->type);
        name = end ? end + 1 : NULL;
    }
}

static void describe_flags(struct writer *out)
{
    static const struct {
        const char *name;
        uint8_t bit;
    } flags[] = {{"CF", 0},  {"", 1},    {"PF", 2},   {"AF", 4},   {"ZF", 6},  {"SF", 7},
                 {"TF", 8},  {"IF", 9},  {"DF", 10},  {"OF", 11},  {"NT", 14}, {"RF", 16},
                 {"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}};

    print_to(out, "<flags id=\"eflags\" size=\"4\">");
    for (unsigned i = 0; i < ARRAY_LENGTH(flags); i++)
        print_to(out, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name, flags[i].bit,
                 flags[i].bit);
    print_to(out, "</flags>");
}

static void describe_vectors(struct writer *out)
{
    static const struct {
        const char *name, *field, *type;
        uint8_t count;
    } vectors[] = {{"v4f", "v4_float", "ieee_single", 4}, {"v2d", "v2_double", "ieee_double", 2},
                   {"v16i8", "v16_int8", "int8", 16},     {"v8i16", "v8_int16", "int16", 8},
                   {"v4i32", "v4_int32", "int32", 4},     {"v2i64", "v2_int64", "int64", 2}};

    for (unsigned i = 0; i < ARRAY_LENGTH(vectors); i++)
        print_to(out, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", vectors[i].name, vectors[i].type,
                 vectors[i].count);
    print_to(out, "<union id=\"vec128\">");
    for (unsigned i = 0; i < ARRAY_LENGTH(vectors); i++)
        print_to(out, "<field name=\"%s\" type=\"%s\"/>", vectors[i].field, vectors[i].name);
    print_to(out, "</union>");
}

void gdb_describe_registers(struct writer *out, bool wide)
{
    print_to(out,
             "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
             "<architecture>%s</architecture>",
             wide ? "i386:x86-64" : "i386");
    for (unsigned feature = 0; feature < FEATURES; feature++) {
        if (feature == SEGMENTS && !wide)
            continue;
        print_to(out, "<feature name=\"%s\">", feature_names[feature]);
        if (feature == CORE)
            describe_flags(out);
        if (feature == SSE)
            describe_vectors(out);
        for (unsigned i = 0; i < ARRAY_LENGTH(groups); i++)
            if (groups[i].feature == feature && in_mode(&groups[i], wide))
                describe_group(out, &groups[i]);
        print_to(out, "</feature>");
    }
    print_to(out, "</target>");
}
