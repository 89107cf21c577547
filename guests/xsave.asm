; The FPU, SSE and AVX state is the guest's own through every kind of exit; XSETBV takes what CPUID shows and refuses the
; rest; XSAVE, XSAVEOPT, XSAVEC and XSAVES store what XRSTOR and XRSTORS bring back.
bits 64
%include "guests/lib.inc"

AREA equ FREE                           ; 64-byte aligned

%macro xcr0_refuses 2
    xor   ecx, ecx
    mov   edx, (%1) >> 32
    mov   eax, (%1) & 0xffffffff
    faults_with 13, 0, xsetbv
    xgetbv
    equal eax, %2
%endmacro

; Every kind of exit that comes often, under values in registers.
%macro exits 0
    cpuid
    in    al, 0x21
    mov   ecx, 0x1b
    rdmsr
    mov   eax, [r15 + 0x30]
    mov   eax, [r14]
    mov   dx, 0x9100
    in    eax, dx
    mov   esi, FREE + 0x8000
    mov   ecx, 3
    mov   edx, 0x80
    rep   outsb
%endmacro

begin:
    begin64
    guest "xsave: XSETBV, and state kept through exits"
    mov   r15d, APIC
    mov   r14d, 0xfec00000

    ; Without CR4.OSXSAVE the instructions do not exist.
    mov   eax, 1
    cpuid
    bt    ecx, 26
    check c
    xor   ecx, ecx
    mov   rax, cr4
    and   eax, ~(1 << 18)
    or    eax, 3 << 9
    mov   cr4, rax
    faults 6, xgetbv
    faults 6, xsetbv
    faults 6, xsave [AREA]
    or    eax, 1 << 18
    mov   cr4, rax

    mov   eax, 0xd
    xor   ecx, ecx
    cpuid
    mov   [supported], eax
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 1
    xsetbv
    xcr0_refuses 0, 1
    xcr0_refuses 2, 1                   ; x87 cannot go
    xcr0_refuses 5, 1                   ; AVX without SSE
    xcr0_refuses 1 << 63 | 1, 1
    xcr0_refuses 1 << 40 | 3, 1
    mov   ecx, 1
    mov   eax, 1
    xor   edx, edx
    faults_with 13, 0, xsetbv
    mov   eax, [supported]              ; with one bit that is not there
    not   eax
    bsf   ecx, eax
    mov   eax, [supported]
    bts   eax, ecx
    xor   ecx, ecx
    faults_with 13, 0, xsetbv
    mov   eax, [supported]
    xsetbv
    xgetbv
    equal eax, [supported]
    test  eax, 1 << 5
    jz    .no_avx512
    xcr0_refuses 0x27, [supported]      ; a part of AVX-512
.no_avx512:

    ; In user mode: not at all.
    mov   eax, 3
    xor   edx, edx
    xor   ecx, ecx
    user_faults 13, xsetbv

    ; Values in every register that there is, through exits, a thousand times over.
    fninit
    fldpi
    fld1
    mov   eax, 0x1f00
    mov   [FREE + 0x7000], eax
    ldmxcsr [FREE + 0x7000]
    mov   rax, 0x0123456789abcdef
    movq  xmm0, rax
    not   rax
    movq  xmm15, rax
    test  dword [supported], 4
    jz    .no_avx
    vinsertf128 ymm7, ymm7, xmm15, 1
.no_avx:
    mov   r13d, 1000
.again:
    exits
    dec   r13d
    jnz   .again
    mov   rax, 0x0123456789abcdef
    movq  rcx, xmm0
    equal rax, rcx
    not   rax
    movq  rcx, xmm15
    equal rax, rcx
    test  dword [supported], 4
    jz    .no_upper
    vextractf128 xmm1, ymm7, 1
    movq  rcx, xmm1
    equal rax, rcx
.no_upper:
    stmxcsr [FREE + 0x7000]
    equal dword [FREE + 0x7000], 0x1f00
    fstp  qword [FREE + 0x7000]
    mov   rax, 0x3ff0000000000000
    equal [FREE + 0x7000], rax
    fstp  qword [FREE + 0x7000]
    mov   rax, 0x400921fb54442d18
    equal [FREE + 0x7000], rax
    fnstsw ax
    test  ah, 0x38
    check z

    ; XSAVE and XRSTOR with exits in between.
    mov   edi, AREA
    mov   ecx, 1024
    xor   eax, eax
    rep   stosq
    mov   rax, 0x1122334455667788
    movq  xmm3, rax
    mov   eax, -1
    mov   edx, -1
    xsave [AREA]
    pxor  xmm3, xmm3
    exits
    mov   eax, -1
    mov   edx, -1
    xrstor [AREA]
    mov   rax, 0x1122334455667788
    movq  rcx, xmm3
    equal rax, rcx
    mov   dword [AREA + 520], 1                         ; a reserved header
    mov   eax, -1
    mov   edx, -1
    faults_with 13, 0, xrstor [AREA]
    mov   dword [AREA + 520], 0

    mov   eax, 0xd
    mov   ecx, 1
    cpuid
    mov   r12d, eax
    bt    r12d, 0
    jnc   .no_xsaveopt
    mov   eax, -1
    mov   edx, -1
    xsaveopt [AREA]
.no_xsaveopt:
    bt    r12d, 3
    jc    .xsaves
    under_svm                           ; which has no control to take XSAVES away
    je    .no_xsaves
    mov   eax, -1
    faults 6, xsaves [AREA]
    jmp   .no_xsaves
.xsaves:
    mov   edi, AREA
    mov   ecx, 1024
    xor   eax, eax
    rep   stosq
    mov   ecx, 0xda0
    xor   edx, edx
    wrmsr
    mov   eax, 3                        ; Bochs puts AVX at a wrong place of the compacted area
    xor   edx, edx
    xsaves [AREA]
    bt    qword [AREA + 520], 63
    check c
    pxor  xmm3, xmm3
    exits
    mov   eax, 3
    xor   edx, edx
    xrstors [AREA]
    mov   rax, 0x1122334455667788
    movq  rcx, xmm3
    equal rax, rcx
.no_xsaves:

    ; XGETBV with ECX = 1, where it is: what is in use.
    bt    r12d, 2
    jnc   .no_in_use
    mov   ecx, 1
    xgetbv
    test  eax, 2
    check nz
.no_in_use:

    ; Opmask and 512-bit registers, where they are.
    mov   eax, [supported]
    and   eax, 0xe0
    cmp   eax, 0xe0
    jne   .no_zmm
    mov   eax, 0x5aa5
    kmovw k3, eax
    mov   rax, 0x1234123412341234
    vpbroadcastq zmm30, rax
    exits
    kmovw ecx, k3
    equal ecx, 0x5aa5
    vextracti64x4 ymm1, zmm30, 1
    vextracti128 xmm1, ymm1, 1
    movq  rcx, xmm1
    mov   rax, 0x1234123412341234
    equal rcx, rax
.no_zmm:
    pass

[section .data]
supported: dd 0
