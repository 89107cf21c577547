/* The processor's own numbers, by the names of the SDM, or of the APM where it alone has them. */
#pragma once

#include "hv/lib/base.h"

/* SDM, volume 4, "Model-Specific Registers". */
enum msr_number {
    IA32_P5_MC_ADDR = 0x0,
    IA32_P5_MC_TYPE = 0x1,
    IA32_TSC = 0x10,
    IA32_PLATFORM_ID = 0x17,
    IA32_APIC_BASE = 0x1b,
    IA32_FEATURE_CONTROL = 0x3a,
    IA32_TSC_ADJUST = 0x3b,
    IA32_PRED_CMD = 0x49,
    IA32_BIOS_UPDT_TRIG = 0x79,
    IA32_BIOS_SIGN_ID = 0x8b,
    IA32_MTRRCAP = 0xfe,
    IA32_ARCH_CAPABILITIES = 0x10a,
    IA32_FLUSH_CMD = 0x10b,
    IA32_SYSENTER_CS = 0x174,
    IA32_SYSENTER_ESP = 0x175,
    IA32_SYSENTER_EIP = 0x176,
    IA32_MCG_CAP = 0x179,
    IA32_MCG_STATUS = 0x17a,
    IA32_PERF_STATUS = 0x198,
    IA32_MISC_ENABLE = 0x1a0,
    IA32_DEBUGCTL = 0x1d9,
    IA32_MTRR_PHYSBASE0 = 0x200,
    IA32_MTRR_FIX64K_00000 = 0x250,
    IA32_MTRR_FIX16K_80000 = 0x258,
    IA32_MTRR_FIX4K_C0000 = 0x268,
    IA32_PAT = 0x277,
    IA32_MTRR_DEF_TYPE = 0x2ff,
    IA32_PERF_CAPABILITIES = 0x345,
    IA32_TSC_DEADLINE = 0x6e0,
    X2APIC_FIRST = 0x800,
    X2APIC_LAST = 0x8ff,
    IA32_XSS = 0xda0,
    /* From here on the APM has them too. */
    IA32_EFER = 0xc0000080,
    IA32_STAR = 0xc0000081,
    IA32_LSTAR = 0xc0000082,
    IA32_CSTAR = 0xc0000083,
    IA32_FMASK = 0xc0000084,
    IA32_FS_BASE = 0xc0000100,
    IA32_GS_BASE = 0xc0000101,
    IA32_KERNEL_GS_BASE = 0xc0000102,
    IA32_TSC_AUX = 0xc0000103,
    TSC_RATIO = 0xc0000104,
    /* Of the APM alone. */
    PERF_LEGACY_CTL0 = 0xc0010000,
    SYSCFG = 0xc0010010,
    HWCR = 0xc0010015,
    NB_CFG = 0xc001001f,
    PATCH_LOADER = 0xc0010020,
    INT_PENDING = 0xc0010055,
    MMIO_CONF_BASE = 0xc0010058,
    SMM_ADDR = 0xc0010112,
    VM_CR = 0xc0010114,
    VM_HSAVE_PA = 0xc0010117,
    LS_CFG = 0xc0011020,
    DE_CFG = 0xc0011029,
};

#define CR0_PE           BIT(0)
#define CR0_MP           BIT(1)
#define CR0_EM           BIT(2)
#define CR0_TS           BIT(3)
#define CR0_ET           BIT(4)
#define CR0_NE           BIT(5)
#define CR0_WP           BIT(16)
#define CR0_AM           BIT(18)
#define CR0_NW           BIT(29)
#define CR0_CD           BIT(30)
#define CR0_PG           BIT(31)

#define CR4_VME          BIT(0)
#define CR4_PVI          BIT(1)
#define CR4_TSD          BIT(2)
#define CR4_DE           BIT(3)
#define CR4_PSE          BIT(4)
#define CR4_PAE          BIT(5)
#define CR4_MCE          BIT(6)
#define CR4_PGE          BIT(7)
#define CR4_PCE          BIT(8)
#define CR4_OSFXSR       BIT(9)
#define CR4_OSXMMEXCPT   BIT(10)
#define CR4_UMIP         BIT(11)
#define CR4_LA57         BIT(12)
#define CR4_VMXE         BIT(13)
#define CR4_SMXE         BIT(14)
#define CR4_FSGSBASE     BIT(16)
#define CR4_PCIDE        BIT(17)
#define CR4_OSXSAVE      BIT(18)
#define CR4_SMEP         BIT(20)
#define CR4_SMAP         BIT(21)
#define CR4_PKE          BIT(22)
#define CR4_CET          BIT(23)
#define CR4_PKS          BIT(24)

#define EFER_SCE         BIT(0)
#define EFER_LME         BIT(8)
#define EFER_LMA         BIT(10)
#define EFER_NXE         BIT(11)
#define EFER_SVME        BIT(12) /* this and those behind it: APM, "Extended Feature Enable Register (EFER)" */
#define EFER_LMSLE       BIT(13)
#define EFER_FFXSR       BIT(14)
#define EFER_TCE         BIT(15)
#define EFER_MCOMMIT     BIT(17)
#define EFER_INTWB       BIT(18)
#define EFER_UAIE        BIT(20)
#define EFER_AIBRSE      BIT(21)

#define RFLAGS_CF        BIT(0)
#define RFLAGS_1         BIT(1) /* always 1 */
#define RFLAGS_PF        BIT(2)
#define RFLAGS_AF        BIT(4)
#define RFLAGS_ZF        BIT(6)
#define RFLAGS_SF        BIT(7)
#define RFLAGS_TF        BIT(8)
#define RFLAGS_IF        BIT(9)
#define RFLAGS_DF        BIT(10)
#define RFLAGS_OF        BIT(11)
#define RFLAGS_NT        BIT(14)
#define RFLAGS_RF        BIT(16)
#define RFLAGS_VM        BIT(17)
#define RFLAGS_AC        BIT(18)
#define RFLAGS_IOPL      (UINT64_C(3) << 12)
#define RFLAGS_VIF       BIT(19)
#define RFLAGS_VIP       BIT(20)
#define RFLAGS_ID        BIT(21)
#define RFLAGS_DEFINED   UINT64_C(0x3f7fd7) /* all that may be 1, RFLAGS_1 too */

/* SDM, "Debug Registers". */
#define DR6_BD           BIT(13)
#define DR6_BS           BIT(14) /* single step */
#define DR6_BT           BIT(15)
#define DR6_HITS         UINT64_C(0xf)        /* B0 to B3 */
#define DR6_ONES         UINT64_C(0xffff0ff0) /* read so */
#define DR6_WRITABLE     UINT64_C(0x0000e00f)
#define DR7_ENABLED      UINT64_C(0xff)  /* L0 to G3 */
#define DR7_LOCAL        UINT64_C(0x155) /* L0 to L3, and LE */
#define DR7_GD           BIT(13)
#define DR7_ENABLE(n)    (UINT64_C(3) << 2 * (n)) /* Ln and Gn */
#define DR7_GLOBAL(n)    BIT(2 * (n) + 1)
#define DR7_KIND(n)      (16 + 4 * (n)) /* the lowest bit of R/Wn, and LENn above */
#define DR7_ONES         UINT64_C(0x00000400)
#define DR7_WRITABLE     UINT64_C(0xffff23ff)

#define DEBUGCTL_LBR     BIT(0)
#define DEBUGCTL_BTF     BIT(1)
#define DEBUGCTL_BLD     BIT(2) /* bus-lock detection */
#define DEBUGCTL_RTM     BIT(15)
#define DEBUGCTL_DEFINED UINT64_C(0xffc7)

/* State components (SDM, "XSAVE-Supported Features and State-Component Bitmaps"). */
#define XCR0_X87         BIT(0)
#define XCR0_SSE         BIT(1)
#define XCR0_AVX         BIT(2)
#define XCR0_AVX512      (BIT(5) | BIT(6) | BIT(7))
#define XCR0_PKRU        BIT(9)
#define XCR0_AMX         (BIT(17) | BIT(18))

#define APIC_BASE_BSP    BIT(8)
#define APIC_BASE_EXTD   BIT(10) /* x2APIC mode */
#define APIC_BASE_EN     BIT(11)

#define PAT_RESET        UINT64_C(0x0007040600070406)

/* Exceptions by vector (SDM, "Exception and Interrupt Vectors"). */
enum exception {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_NMI = 2,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_MF = 16,
    EXC_AC = 17,
    EXC_MC = 18,
    EXC_XM = 19,
    EXC_VE = 20,
    EXC_CP = 21,
    EXC_NONE = 0xff,
};

#define SYSTEM_TSS_16 1 /* types of system descriptors; busy ones have bit 1 set too */
#define SYSTEM_LDT    2
#define SYSTEM_TSS_32 9
#define SYSTEM_BUSY   BIT(1)
