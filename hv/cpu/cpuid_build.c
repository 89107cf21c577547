/* What a vCPU is shown of each leaf of CPUID: the machine's, less what Keel's policy and the VM's
 * configuration hide. */
#include "hv/cpu/cpuid_policy.h"
#include "hv/cpu/cpuid_table.h"
#include "hv/lib/string.h"
#include "hv/vm/vcpu.h"

/* What cpuid_init knows while it builds a table. */
struct builder {
    struct cpuid_table *table;
    const struct cpuid_limits *limits;
    cpuid_source *machine;
    unsigned id, vcpus;
    uint32_t machine_basic, machine_extended; /* the machine's highest leaves */
    uint32_t conditions;                      /* a bit for each enum cpuid_condition that holds */
};

/* The smallest n with 2^n >= value. */
static unsigned bits_for(unsigned value)
{
    return value <= 1 ? 0 : 32 - (unsigned)__builtin_clz(value - 1);
}

/* What the machine says, 0 for leaves that it does not have: some processors answer those with others. */
static struct cpuid_regs read_machine(const struct builder *builder, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs regs = {0};

    if (leaf <= builder->machine_basic || (leaf >= CPUID_EXTENDED && leaf <= builder->machine_extended))
        builder->machine(leaf, subleaf, &regs);
    return regs;
}

/* A leaf as the table of policies shows it. */
static struct cpuid_regs shown(const struct builder *builder, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_choice *choice = &builder->limits->choice;
    struct cpuid_regs machine = read_machine(builder, leaf, subleaf), regs = {0};
    struct cpuid_regs hidden = cpuid_hidden_bits(choice, leaf, subleaf, builder->table->amd);
    struct cpuid_regs wanted = cpuid_wanted_bits(choice, leaf, subleaf);

    for (unsigned i = 0; i < cpuid_policy_count; i++) {
        const struct cpuid_policy *row = &cpuid_policies[i];

        if (row->leaf != leaf || (row->subleaf != subleaf && row->subleaf != CPUID_ANY) ||
            !(builder->conditions >> row->when & 1))
            continue;
        for (unsigned reg = CPUID_EAX; reg <= CPUID_EDX; reg++)
            if (row->reg == reg || row->reg == CPUID_ALL)
                *cpuid_register(&regs, reg) |=
                    row->bits & (row->when == IF_WANTED ? *cpuid_register(&wanted, reg) : UINT32_MAX) &
                    (row->origin == GIVE ? UINT32_MAX : *cpuid_register(&machine, reg));
    }
    for (unsigned reg = CPUID_EAX; reg <= CPUID_EDX; reg++)
        *cpuid_register(&regs, reg) &= ~*cpuid_register(&hidden, reg);
    return regs;
}

static struct cpuid_regs *add(struct builder *builder, uint32_t leaf, uint32_t subleaf,
                              struct cpuid_regs regs)
{
    struct cpuid_table *table = builder->table;
    struct cpuid_entry *entry = &table->entries[MIN(table->count, ENTRIES_MOST - 1)];

    *entry = (struct cpuid_entry){.regs = regs, .leaf = leaf, .subleaf = subleaf};
    table->count = MIN(table->count + 1, ENTRIES_MOST);
    return &entry->regs;
}

static void build_highest(struct builder *builder, uint32_t leaf)
{
    struct cpuid_regs regs = shown(builder, leaf, 0);

    regs.eax = leaf == CPUID_EXTENDED ? builder->table->extended_most : builder->table->basic_most;
    add(builder, leaf, 0, regs);
}

static void build_features(struct builder *builder, uint32_t leaf)
{
    struct cpuid_regs regs = shown(builder, leaf, 0);

    regs.ebx |= MIN(builder->vcpus, 255) << 16 | builder->id << 24;
    builder->table->dynamic1 = add(builder, leaf, 0, regs);
}

/* SDM, leaf 04H, and APM, leaf 8000_001DH: a subleaf for each cache, until one of type 0. */
static void build_caches(struct builder *builder, uint32_t leaf)
{
    for (uint32_t subleaf = 0; subleaf < SUBLEAVES_MOST; subleaf++) {
        struct cpuid_regs regs = shown(builder, leaf, subleaf);
        uint32_t level = regs.eax >> 5 & 7, sharing = level >= 3 ? MIN(builder->vcpus, 4096) - 1 : 0;

        if (!(regs.eax & 0x1f))
            break;
        regs.eax = (regs.eax & 0x3fff) | sharing << 14;
        if (leaf == 4)
            regs.eax |= (MIN(builder->vcpus, 64) - 1) << 26;
        add(builder, leaf, subleaf, regs);
    }
}

static void build_extended_features(struct builder *builder, uint32_t leaf)
{
    uint32_t most = MIN(read_machine(builder, leaf, 0).eax, 2);

    for (uint32_t subleaf = 0; subleaf <= most; subleaf++) {
        struct cpuid_regs regs = shown(builder, leaf, subleaf);

        if (subleaf == 0) {
            regs.eax = most;
            builder->table->dynamic7 = add(builder, leaf, subleaf, regs);
        } else {
            add(builder, leaf, subleaf, regs);
        }
    }
}

/* SDM, "Extended Topology Enumeration Leaf": one package of cores with one thread each. */
static void build_topology(struct builder *builder, uint32_t leaf)
{
    enum { THREADS = 1 << 8, CORES = 2 << 8 };

    add(builder, leaf, 0, (struct cpuid_regs){0, 1, 0 | THREADS, builder->id});
    add(builder, leaf, 1,
        (struct cpuid_regs){bits_for(builder->vcpus), builder->vcpus, 1 | CORES, builder->id});
}

static void build_xsave(struct builder *builder, uint32_t leaf)
{
    struct cpuid_table *table = builder->table;
    struct cpuid_regs extension = shown(builder, leaf, 1);

    if (!table->xcr0)
        return;
    table->dynamic_d0 =
        add(builder, leaf, 0,
            (struct cpuid_regs){.eax = (uint32_t)table->xcr0, .edx = (uint32_t)(table->xcr0 >> 32)});
    if (builder->limits->xsaves)
        extension.eax |= read_machine(builder, leaf, 1).eax & LEAFD_EAX_XSAVES;
    extension.ecx = (uint32_t)table->xss;
    extension.edx = (uint32_t)(table->xss >> 32);
    table->dynamic_d1 = add(builder, leaf, 1, extension);
    for (uint32_t component = 2; component < COMPONENTS; component++) {
        struct cpuid_regs regs = read_machine(builder, leaf, component);

        if (!((table->xcr0 | table->xss) >> component & 1))
            continue;
        regs.ecx &= LEAFD_ECX_SUPERVISOR | LEAFD_ECX_ALIGN64;
        regs.edx = 0;
        add(builder, leaf, component, regs);
    }
}

/*
 * SDM, "Time Stamp Counter and Nominal Core Crystal Clock Information Leaf". The virtual local APIC counts
 * TSC ticks, so the crystal is the TSC; one that does not fit into 32 bits is left unsaid, and leaf 16H has
 * it in MHz.
 */
static void build_tsc(struct builder *builder, uint32_t leaf)
{
    uint64_t hz = builder->limits->tsc_hz;

    add(builder, leaf, 0, (struct cpuid_regs){1, 1, hz <= UINT32_MAX ? (uint32_t)hz : 0, 0});
}

/* SDM, "Processor Frequency Information Leaf": base and highest in MHz, and the bus's. */
static void build_frequency(struct builder *builder, uint32_t leaf)
{
    uint32_t mhz = (uint32_t)MIN((builder->limits->tsc_hz + 500000) / 1000000, 0xffff);

    add(builder, leaf, 0, (struct cpuid_regs){mhz, mhz, 100, 0});
}

/* SDM, "Deterministic Address Translation Parameters Leaf": EAX of subleaf 0 is the highest subleaf. */
static void build_translations(struct builder *builder, uint32_t leaf)
{
    uint32_t most = MIN(read_machine(builder, leaf, 0).eax, SUBLEAVES_MOST - 1);

    for (uint32_t subleaf = 0; subleaf <= most; subleaf++) {
        struct cpuid_regs regs = shown(builder, leaf, subleaf);
        uint32_t level = regs.edx >> 5 & 7, sharing = level >= 3 ? MIN(builder->vcpus, 4096) - 1 : 0;

        if (subleaf == 0)
            regs.eax = most;
        regs.edx = (regs.edx & 0x3fff) | sharing << 14;
        add(builder, leaf, subleaf, regs);
    }
}

static void build_tiles(struct builder *builder, uint32_t leaf)
{
    for (uint32_t subleaf = 0; subleaf <= 1; subleaf++)
        add(builder, leaf, subleaf, shown(builder, leaf, subleaf));
}

static void build_extended1(struct builder *builder, uint32_t leaf)
{
    builder->table->dynamic_extended1 = add(builder, leaf, 0, shown(builder, leaf, 0));
}

static void build_addresses(struct builder *builder, uint32_t leaf)
{
    struct cpuid_regs regs = shown(builder, leaf, 0);
    uint32_t physical = MIN(regs.eax & 0xff, builder->limits->physical_bits);

    regs.eax = (regs.eax & 0xff00) | physical;
    if (builder->table
            ->amd) /* APM, "Size Identifiers": cores, and bits of the APIC id that tell them apart */
        regs.ecx = (MIN(builder->vcpus, 256) - 1) | bits_for(builder->vcpus) << 12;
    add(builder, leaf, 0, regs);
}

/* APM, "Extended APIC ID", "Compute Unit Identifiers", "Node Identifiers": one node. */
static void build_identifiers(struct builder *builder, uint32_t leaf)
{
    if (builder->table->amd && builder->table->dynamic_extended1 &&
        (builder->table->dynamic_extended1->ecx & BIT(22)))
        add(builder, leaf, 0, (struct cpuid_regs){builder->id, builder->id & 0xff, 0, 0});
}

/* The leaves that are more than the machine's under the policies, or have subleaves. */
static const struct {
    uint32_t leaf;
    bool subleaves;
    void (*build)(struct builder *builder, uint32_t leaf);
} builders[] = {{0x00, false, build_highest},
                {0x01, false, build_features},
                {0x04, true, build_caches},
                {0x07, true, build_extended_features},
                {0x0b, true, build_topology},
                {0x0d, true, build_xsave},
                {0x15, false, build_tsc},
                {0x16, false, build_frequency},
                {0x18, true, build_translations},
                {0x1d, true, build_tiles},
                {0x1e, true, build_tiles},
                {0x1f, true, build_topology},
                {0x80000000, false, build_highest},
                {0x80000001, false, build_extended1},
                {0x80000008, false, build_addresses},
                {0x8000001d, true, build_caches},
                {0x8000001e, false, build_identifiers}};

/* Builds a leaf and returns what `basic` and `extended` have of it. */
static const struct cpuid_regs *build_leaf(struct builder *builder, uint32_t leaf)
{
    const struct cpuid_regs *regs;
    bool subleaves = false;
    unsigned i = 0;

    while (i < ARRAY_LENGTH(builders) && builders[i].leaf != leaf)
        i++;
    if (i < ARRAY_LENGTH(builders)) {
        builders[i].build(builder, leaf);
        subleaves = builders[i].subleaves;
    } else {
        add(builder, leaf, 0, shown(builder, leaf, 0));
    }
    regs = cpuid_find(builder->table, leaf, 0);
    return subleaves ? NULL : regs ? regs : &builder->table->zero;
}

static bool is_amd(const struct cpuid_regs *vendor)
{
    return vendor->ecx == 0x444d4163 || vendor->ecx == 0x656e6975; /* AuthenticAMD, HygonGenuine */
}

/* Components that both the machine and the limits have; those that only come together (SDM, XSETBV) in full.
 */
static uint64_t components(uint64_t xcr0, bool pku)
{
    if ((xcr0 & (XCR0_X87 | XCR0_SSE)) != (XCR0_X87 | XCR0_SSE))
        return 0;
    if ((xcr0 & XCR0_AVX512) != XCR0_AVX512 || !(xcr0 & XCR0_AVX))
        xcr0 &= ~XCR0_AVX512;
    if ((xcr0 & XCR0_AMX) != XCR0_AMX)
        xcr0 &= ~XCR0_AMX;
    if (!pku)
        xcr0 &= ~XCR0_PKRU;
    return xcr0 & (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU | XCR0_AMX);
}

void cpuid_limit(struct cpuid_limits *limits)
{
    const struct {
        const char *name;
        bool *limit;
    } switches[] = {
        {"rdtscp", &limits->rdtscp}, {"invpcid", &limits->invpcid},
        {"xsaves", &limits->xsaves}, {"waitpkg", &limits->waitpkg},
        {"pku", &limits->pku},       {"tsc_deadline_timer", &limits->tsc_deadline},
        {"x2apic", &limits->x2apic},
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(switches); i++)
        *switches[i].limit &= !cpuid_is_hidden(&limits->choice, switches[i].name);
    limits->xcr0 &= ~cpuid_hidden_xcr0(&limits->choice);
}

static void find_components(struct builder *builder)
{
    const struct cpuid_limits *limits = builder->limits;
    struct cpuid_regs user = read_machine(builder, 0xd, 0), system = read_machine(builder, 0xd, 1);
    struct cpuid_table *table = builder->table;

    if (!(read_machine(builder, 1, 0).ecx & LEAF1_ECX_XSAVE))
        return;
    table->xcr0 = components(limits->xcr0 & (user.eax | (uint64_t)user.edx << 32), limits->pku);
    if (table->xcr0 && limits->xsaves && (system.eax & LEAFD_EAX_XSAVES))
        table->xss = limits->xss & (system.ecx | (uint64_t)system.edx << 32);
}

static void hold(struct builder *builder, enum cpuid_condition condition, bool holds)
{
    builder->conditions |= (uint32_t)holds << condition;
}

static void find_conditions(struct builder *builder)
{
    const struct cpuid_limits *limits = builder->limits;
    uint64_t xcr0 = builder->table->xcr0;

    hold(builder, ALWAYS, true);
    hold(builder, IF_WANTED, true);
    hold(builder, IF_XSAVE, xcr0 != 0);
    hold(builder, IF_AVX, xcr0 & XCR0_AVX);
    hold(builder, IF_AVX512, xcr0 & XCR0_AVX512);
    hold(builder, IF_AMX, xcr0 & XCR0_AMX);
    hold(builder, IF_PKU, xcr0 & XCR0_PKRU);
    hold(builder, IF_RDTSCP, limits->rdtscp);
    hold(builder, IF_INVPCID, limits->invpcid);
    hold(builder, IF_WAITPKG, limits->waitpkg);
    hold(builder, IF_TSC_DEADLINE, limits->tsc_deadline);
    hold(builder, IF_X2APIC, limits->x2apic);
    hold(builder, IF_MANY, builder->vcpus > 1);
    hold(builder, IF_MANY_AMD, builder->vcpus > 1 && builder->table->amd);
}

static void find_machine(struct builder *builder)
{
    struct cpuid_regs regs;

    builder->machine(0, 0, &regs);
    builder->machine_basic = MIN(regs.eax, CPUID_EXTENDED - 1);
    builder->machine(CPUID_EXTENDED, 0, &regs);
    builder->machine_extended = regs.eax >> 16 == CPUID_EXTENDED >> 16 ? regs.eax : CPUID_EXTENDED;
}

/*
 * The convention of several hypervisors: a name, here Keel's, and the frequencies of the TSC and of the local
 * APIC's timer in kHz.
 */
static void add_hypervisor(struct builder *builder)
{
    uint32_t khz = (uint32_t)MIN(builder->limits->tsc_hz / 1000, UINT32_MAX);

    add(builder, HYPERVISOR, 0, (struct cpuid_regs){HYPERVISOR_MOST, 0x6c65654b, 0x6c65654b, 0x6c65654b});
    add(builder, HYPERVISOR_MOST, 0, (struct cpuid_regs){khz, khz, 0, 0});
}

void cpuid_init(struct vcpu *vcpu, unsigned vcpu_count, const struct cpuid_limits *limits,
                cpuid_source *machine)
{
    struct cpuid_table *table = vcpu->arch.cpuid;
    struct builder builder = {
        .table = table, .limits = limits, .machine = machine, .id = vcpu->id, .vcpus = vcpu_count};
    struct cpuid_regs vendor;

    find_machine(&builder);
    vendor = read_machine(&builder, 0, 0);
    memset(table, 0, sizeof(*table));
    table->apic_id = vcpu->id;
    table->choice = limits->choice;
    table->amd = is_amd(&vendor);
    table->basic_most = MIN(builder.machine_basic, CPUID_BASIC_MOST);
    if (!table->amd) /* the TSC's true frequency is in leaves that older processors do not have */
        table->basic_most = MAX(table->basic_most, 0x16);
    table->extended_most = MIN(builder.machine_extended, CPUID_EXTENDED_MOST);
    find_components(&builder);
    find_conditions(&builder);

    for (uint32_t leaf = 0; leaf <= table->basic_most; leaf++)
        table->leaves.basic[leaf] = build_leaf(&builder, leaf);
    if (!cpuid_is_hidden(&limits->choice, "hypervisor"))
        add_hypervisor(&builder);
    for (uint32_t leaf = CPUID_EXTENDED; leaf <= table->extended_most; leaf++)
        table->leaves.extended[leaf - CPUID_EXTENDED] = build_leaf(&builder, leaf);
    cpuid_refresh(vcpu, 0, true, XCR0_X87, 0);
}

void cpuid_describe(const struct vcpu *vcpu, cpuid_source *machine, struct writer *out)
{
    static const char *const names[] = {"eax", "ebx", "ecx", "edx"};
    struct builder builder = {.machine = machine};

    find_machine(&builder);
    for (unsigned i = 0; i < cpuid_policy_count; i++) {
        const struct cpuid_policy *row = &cpuid_policies[i];
        uint32_t subleaf = row->subleaf == CPUID_ANY ? 0 : row->subleaf;
        struct cpuid_regs here = read_machine(&builder, row->leaf, subleaf);
        struct cpuid_regs there = *cpuid_lookup(vcpu, row->leaf, subleaf);

        for (unsigned reg = CPUID_EAX; reg <= CPUID_EDX && row->when != ALWAYS; reg++) {
            uint32_t hidden = *cpuid_register(&here, reg) & ~*cpuid_register(&there, reg) & row->bits;

            if (hidden && (row->reg == reg || row->reg == CPUID_ALL))
                print_to(out, "%08x.%u %s: hides %08x of: %s\n", row->leaf, subleaf, names[reg], hidden,
                         row->what);
        }
    }
}
