#include "svm/capabilities.h"

#include "hv/host/feature.h"
#include "hv/host/instructions.h"

#define CPUID_SVM_LEAF 0x8000000a
#define CPUID_SIZES    0x80000008
#define CPUID_PAGES_1G 26 /* Fn8000_0001 EDX */

struct svm_capabilities svm_cpu;

void svm_read_capabilities(struct svm_capabilities *cpu)
{
    uint32_t a, b, c, d, sizes, unused;

    cpuid(CPUID_SVM_LEAF, 0, &a, &b, &c, &d);
    cpuid(CPUID_SIZES, 0, &sizes, &unused, &unused, &unused);
    *cpu = (struct svm_capabilities){
        .asids = b,
        .features = d,
        .revision = (uint8_t)a,
        .physical_bits = (uint8_t)sizes,
        .pages_1g = cpu_has(0x80000001, 0, 3, CPUID_PAGES_1G),
    };
}
