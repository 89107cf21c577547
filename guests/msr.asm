; Model-specific registers: what can be written keeps it, reserved bits and unknown registers raise #GP(0).
bits 64
%include "guests/lib.inc"

; Writes the 64-bit constant %2 to MSR %1.
%macro write 2
    mov   ecx, %1
    mov   eax, (%2) & 0xffffffff
    mov   edx, (%2) >> 32
    wrmsr
%endmacro

%macro keeps 2
    write %1, %2
    mov   ecx, %1
    rdmsr
    equal eax, (%2) & 0xffffffff
    equal edx, (%2) >> 32
%endmacro

%macro refuses 2
    mov   ecx, %1
    mov   eax, (%2) & 0xffffffff
    mov   edx, (%2) >> 32
    faults_with 13, 0, wrmsr
%endmacro

; Reads MSR %1 into r8.
%macro read 1
    mov   ecx, %1
    rdmsr
    shl   rdx, 32
    or    rax, rdx
    mov   r8, rax
%endmacro

TSC        equ 0x10
APIC_BASE  equ 0x1b
TSC_ADJUST equ 0x3b
MTRRCAP    equ 0xfe
PAT        equ 0x277
MTRR_TYPE  equ 0x2ff
EFER       equ 0xc0000080

NOT_CANONICAL equ 0x0000800000000000

begin:
    begin64
    guest "msr: TSC, TSC_ADJUST, APIC_BASE, PAT, MTRRs, EFER, SYSCALL and SYSENTER, bases, unknown ones"

    ; IA32_TIME_STAMP_COUNTER is what RDTSC reads, and can be set, forwards and back.
    read  TSC
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    sub   rax, r8
    check nc
    cmp   rax, 100000
    check b
    write TSC, 0x123400000000
    rdtsc
    equal edx, 0x1234
    cmp   eax, 1000000
    check b
    read  TSC
    shr   r8, 32
    equal r8, 0x1234
    write TSC, 0
    rdtsc
    equal edx, 0

    ; IA32_TSC_ADJUST moves with it, and moves it.
    mov   eax, 7
    xor   ecx, ecx
    cpuid
    bt    ebx, 1
    jnc   .no_adjust
    write TSC_ADJUST, 0
    rdtsc
    mov   r9d, eax
    write TSC_ADJUST, 0x500000000
    rdtsc
    cmp   edx, 5
    check ae
    read  TSC_ADJUST
    mov   rax, 0x500000000
    equal r8, rax
    write TSC_ADJUST, 0
    read  TSC
    add   r8, [million]
    mov   eax, r8d
    mov   rdx, r8
    shr   rdx, 32
    mov   ecx, TSC
    wrmsr                               ; a million ticks ahead
    read  TSC_ADJUST
    mov   rax, r8
    sub   rax, 900000
    cmp   rax, 200000
    check b
    write TSC_ADJUST, 0
.no_adjust:

    mov   eax, 0x80000001
    cpuid
    bt    edx, 27
    jnc   .no_rdtscp
    keeps 0xc0000103, 0x12345678
    rdtscp
    equal ecx, 0x12345678
.no_rdtscp:

    ; IA32_APIC_BASE: the boot processor, on, at its usual place. Reserved bits are refused.
    read  APIC_BASE
    mov   eax, r8d
    and   eax, 0xfffff900
    equal eax, 0xfee00900
    mov   r9, r8
    mov   ecx, APIC_BASE
    mov   eax, r9d
    xor   edx, edx
    or    eax, 1
    faults_with 13, 0, wrmsr
    mov   eax, r9d
    mov   edx, 1 << 30
    faults_with 13, 0, wrmsr

    ; IA32_PAT: every memory type in every entry; 2, 3 and 8 are none.
    keeps PAT, 0x0007040600070406
    keeps PAT, 0x0001040500070406
    refuses PAT, 0x0002040600070406
    refuses PAT, 0x0007040300070406
    refuses PAT, 0x0807040600070406
    read  PAT
    mov   rax, 0x0001040500070406
    equal r8, rax
    write PAT, 0x0007040600070406

    ; MTRRs: default type, the fixed ones, the last variable one.
    mov   eax, 1
    cpuid
    bt    edx, 12
    jnc   .no_mtrr
    read  MTRRCAP
    mov   r10, r8
    keeps MTRR_TYPE, 0xc06
    keeps MTRR_TYPE, 0x806
    refuses MTRR_TYPE, 0xc02
    refuses MTRR_TYPE, 0xc07
    bt    r10, 8
    jnc   .no_fixed
    keeps 0x250, 0x0606060606060606
    keeps 0x26f, 0x0001040506000606
    refuses 0x26f, 0x0202020202020202
    write 0x26f, 0x0606060606060606
.no_fixed:
    mov   r10d, r10d
    and   r10d, 0xff
    jz    .no_mtrr
    lea   ecx, [0x200 + r10 * 2 - 2]
    mov   eax, 0x80000006
    xor   edx, edx
    wrmsr
    rdmsr
    equal eax, 0x80000006
    inc   ecx
    xor   eax, eax
    wrmsr
    dec   ecx
    mov   eax, 0x80000002
    faults_with 13, 0, wrmsr
    mov   eax, 0x80000106
    faults_with 13, 0, wrmsr
    mov   eax, 0x80000006
    mov   edx, 1 << 31
    faults_with 13, 0, wrmsr
.no_mtrr:

    ; EFER: LMA and LME stay while paging is on; SCE can change; reserved bits are refused.
    read  EFER
    mov   eax, r8d
    and   eax, 0x500
    equal eax, 0x500
    mov   ecx, EFER
    mov   eax, r8d
    or    eax, 1
    mov   edx, r8d
    xor   edx, edx
    wrmsr
    rdmsr
    bt    eax, 0
    check c
    and   eax, ~0x100
    faults_with 13, 0, wrmsr
    mov   eax, r8d
    or    eax, 1 << 9
    faults_with 13, 0, wrmsr
    mov   eax, r8d
    mov   edx, 1
    faults_with 13, 0, wrmsr
    rdmsr
    and   eax, 0x500
    equal eax, 0x500

    ; System calls' targets, and segment bases: canonical addresses.
    keeps 0xc0000081, 0x0013000800000000
    keeps 0xc0000082, 0xffffffff81234567
    refuses 0xc0000082, NOT_CANONICAL
    keeps 0xc0000084, 0x47700
    keeps 0x174, 0x10
    keeps 0x175, 0xffff800000001000
    keeps 0x176, 0xffff800000002000
    refuses 0x175, NOT_CANONICAL
    refuses 0x176, NOT_CANONICAL
    keeps 0xc0000100, SCRATCH
    mov   dword [SCRATCH + 0x10], 0xfeed
    equal dword [fs:0x10], 0xfeed
    keeps 0xc0000101, 0xffff888000000000
    keeps 0xc0000102, SCRATCH + 0x10
    swapgs
    equal dword [gs:0], 0xfeed
    read  0xc0000102
    mov   rax, 0xffff888000000000
    equal r8, rax
    refuses 0xc0000100, NOT_CANONICAL
    refuses 0xc0000101, NOT_CANONICAL
    refuses 0xc0000102, NOT_CANONICAL

    ; IA32_XSS has no bit that CPUID does not show.
    mov   eax, 1
    cpuid
    bt    ecx, 26
    jnc   .no_xss
    mov   eax, 0xd
    mov   ecx, 1
    cpuid
    bt    eax, 3
    jnc   .no_xss
    keeps 0xda0, 0
    refuses 0xda0, 1
    refuses 0xda0, 1 << 62
.no_xss:

    ; The microcode's revision can be cleared before CPUID fills it in. Bochs has no such register.
    under_hypervisor
    jnc   .no_hypervisor
    write 0x8b, 0
.no_hypervisor:

    ; What every processor of AMD's has, counters of events among it, is taken.
    under_svm
    jne   .not_amd
    mov   ecx, 0xc0010007
    xor   eax, eax
    xor   edx, edx
    works wrmsr
    works rdmsr
    equal eax, 0
.not_amd:

    ; Registers that no processor has.
    mov   ecx, 0x12345678
    faults_with 13, 0, rdmsr
    faults_with 13, 0, wrmsr
    mov   ecx, 0xdeadbeef
    faults_with 13, 0, rdmsr
    mov   ecx, 0xc0012345
    faults_with 13, 0, rdmsr

    ; Not for user mode.
    mov   ecx, TSC
    user_faults 13, rdmsr
    user_faults 13, wrmsr
    pass

[section .data]
align 8
million: dq 1000000
