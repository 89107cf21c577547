; Features that the VM's `cpuid` hides (test_guests.py says which) behave as absent: CPUID, #UD, MSRs, CR4, XCR0.
bits 64
%include "guests/lib.inc"

IA32_TSC_ADJUST   equ 0x3b
IA32_TSC_DEADLINE equ 0x6e0
IA32_TSC_AUX      equ 0xc0000103
IA32_EFER         equ 0xc0000080
APIC_BASE         equ 0x1b

begin:
    begin64
    guest "hidden: features that cpuid hides are absent"

    mov   eax, 1
    cpuid
    bt    ecx, 21                       ; x2APIC
    check nc
    bt    ecx, 24                       ; TSC deadline
    check nc
    bt    ecx, 28                       ; AVX
    check nc
    mov   eax, 7
    xor   ecx, ecx
    cpuid
    test  ebx, 1 << 1 | 1 << 20 | 1 << 5 ; TSC_ADJUST, SMAP, AVX2
    check z
    mov   eax, 0x80000001
    cpuid
    test  edx, 1 << 20 | 1 << 27        ; NX, RDTSCP
    check z

    ; MSRs.
    mov   ecx, IA32_TSC_ADJUST
    faults_with 13, 0, rdmsr
    mov   ecx, IA32_TSC_DEADLINE
    faults_with 13, 0, rdmsr
    mov   ecx, IA32_TSC_AUX
    faults_with 13, 0, rdmsr
    mov   ecx, IA32_EFER
    rdmsr
    or    eax, 1 << 11
    faults_with 13, 0, wrmsr
    mov   ecx, APIC_BASE
    rdmsr
    or    eax, 1 << 10
    faults_with 13, 0, wrmsr

    ; Instructions behind a control.
    faults 6, rdtscp

    ; CR4: SMAP is reserved, what is not hidden is not.
    mov   rax, cr4
    or    eax, 1 << 21
    faults_with 13, 0, mov cr4, rax

    ; XCR0.
    mov   eax, 1
    cpuid
    bt    ecx, 26
    jnc   .no_xsave
    mov   rax, cr4
    or    eax, 1 << 18
    mov   cr4, rax
    xor   ecx, ecx
    xgetbv
    or    eax, 7
    faults_with 13, 0, xsetbv
    mov   eax, 3
    xor   edx, edx
    xsetbv
    mov   eax, 0xd
    xor   ecx, ecx
    cpuid
    equal eax, 3
    equal ecx, 576
.no_xsave:
    pass
