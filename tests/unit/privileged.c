#include "tests/unit/privileged.h"

#include <asm/prctl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "hv/lib/base.h"

struct privileged privileged;

/* VMX's instructions are undefined outside VMX operation. */
static const int signals[] = {SIGSEGV, SIGILL};
static struct sigaction before[ARRAY_LENGTH(signals)];

static void stop_playing(void)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(signals); i++)
        sigaction(signals[i], &before[i], NULL);
}

/* Places of the registers in gregs[], by the numbers that instructions use. */
static const uint8_t place[16] = {13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7};
enum { RAX = 0, RCX = 1, RDX = 2, PLACE_RIP = 16 };

static void input(greg_t *rax, uint16_t port, unsigned size)
{
    uint64_t mask = UINT64_MAX >> (64 - 8 * size), kept = size == 4 ? 0 : (uint64_t)*rax & ~mask;

    *rax = (greg_t)(kept | ((privileged.in ? privileged.in(port, size) : UINT32_MAX) & mask));
}

static void output(greg_t rax, uint16_t port, unsigned size)
{
    if (privileged.out)
        privileged.out(port, size, (uint32_t)((uint64_t)rax & (UINT64_MAX >> (64 - 8 * size))));
}

/* IN and OUT, opcodes E4 to E7 and EC to EF. Returns the length without prefixes. */
static unsigned port_access(greg_t *gregs, const uint8_t *at, bool prefix16)
{
    bool immediate = !(*at & 8);
    uint16_t port = immediate ? at[1] : (uint16_t)gregs[place[RDX]];
    unsigned size = !(*at & 1) ? 1 : prefix16 ? 2 : 4;

    if (*at & 2)
        output(gregs[place[RAX]], port, size);
    else
        input(&gregs[place[RAX]], port, size);
    return immediate ? 2 : 1;
}

/* RDMSR and WRMSR. */
static void msr_access(greg_t *gregs, bool write)
{
    uint32_t number = (uint32_t)gregs[place[RCX]];

    if (write) {
        privileged.msr = number;
        privileged.msr_value = (uint32_t)gregs[place[RAX]] | (uint64_t)gregs[place[RDX]] << 32;
        return;
    }
    gregs[place[RAX]] = number == privileged.msr ? (uint32_t)privileged.msr_value : 0;
    gregs[place[RDX]] = number == privileged.msr ? (greg_t)(privileged.msr_value >> 32) : 0;
}

/* What a memory operand takes behind its ModRM byte. */
static unsigned operand_length(const uint8_t *modrm)
{
    unsigned mode = *modrm >> 6, base = *modrm & 7, sib = base == 4;

    return sib + (mode == 1 ? 1 : mode == 2 || (mode == 0 && (sib ? modrm[1] & 7 : base) == 5) ? 4 : 0);
}

/* VMREAD and VMWRITE between registers, and VMCLEAR and VMPTRLD, whose operand is in memory; 0: another. */
static unsigned vmx_instruction(greg_t *gregs, const uint8_t *at, unsigned rex)
{
    greg_t *rm = &gregs[place[(at[2] & 7) | (rex & 1) << 3]],
           *reg = &gregs[place[(at[2] >> 3 & 7) | (rex & 4) << 1]];

    if (at[1] == 0x78)
        *rm = (greg_t)privileged.vmcs[*reg & 0x7fff];
    else if (at[1] == 0x79)
        privileged.vmcs[*reg & 0x7fff] = (uint64_t)*rm;
    else if (at[1] == 0xc7 && (at[2] >> 3 & 7) == 6)
        return 3 + operand_length(at + 2);
    else
        return 0;
    return 3;
}

/* RDMSR, WRMSR, XSETBV, LIDT, and MOV to and from control and debug registers; 0: another instruction. */
static unsigned two_byte(greg_t *gregs, const uint8_t *at, unsigned rex)
{
    greg_t *general = &gregs[place[(at[2] & 7) | (rex & 1) << 3]];
    uint64_t *control =
        at[1] & 1 ? &privileged.dr[at[2] >> 3 & 7] : &privileged.cr[(at[2] >> 3 & 7) | (rex & 4) << 1];

    if (at[1] == 0x30 || at[1] == 0x32) {
        msr_access(gregs, at[1] == 0x30);
        return 2;
    }
    if (at[1] == 0x01 && at[2] == 0xd1) {
        privileged.xcr0 = (uint32_t)gregs[place[RAX]] | (uint64_t)gregs[place[RDX]] << 32;
        privileged.xsetbvs++;
    } else if (at[1] == 0x01 && (at[2] >> 3 & 7) == 3 && at[2] < 0xc0) {
        privileged.idts++;
        return 3 + operand_length(at + 2);
    } else if (at[1] == 0x20 || at[1] == 0x21) {
        *general = (greg_t)*control;
    } else if (at[1] == 0x22 || at[1] == 0x23) {
        *control = (uint64_t)*general;
    } else {
        return vmx_instruction(gregs, at, rex);
    }
    return 3;
}

static void play(int number, siginfo_t *information, void *context)
{
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)gregs[PLACE_RIP];
    unsigned prefixes = at[0] == 0x66 || (at[0] & 0xf0) == 0x40, length = 1;
    bool halts = at[prefixes] == 0xf4;

    (void)number, (void)information;
    if (at[prefixes] == 0x0f)
        length = two_byte(gregs, at + prefixes, prefixes ? at[0] : 0);
    else if ((at[prefixes] & 0xf4) == 0xe4)
        length = port_access(gregs, at + prefixes, prefixes && at[0] == 0x66);
    else if (at[prefixes] == 0xfa || at[prefixes] == 0xfb)
        privileged.interrupts = at[prefixes] & 1;
    else if (!halts)
        length = 0;
    if (!length) {
        stop_playing(); /* a true error: it faults once more, and is reported */
        return;
    }
    gregs[PLACE_RIP] += prefixes + length;
    if (halts && privileged.halt)
        privileged.halt();
}

void privileged_begin(void)
{
    struct sigaction action = {.sa_sigaction = play, .sa_flags = SA_SIGINFO | SA_NODEFER};

    memset(&privileged, 0, sizeof(privileged));
    for (unsigned i = 0; i < ARRAY_LENGTH(signals); i++)
        sigaction(signals[i], &action, &before[i]);
}

void privileged_end(void)
{
    stop_playing();
}

void privileged_set_core(struct cpu *cpu)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
}
