; CPUID: leaves that agree with each other and with what the processor then does.
bits 64
%include "guests/lib.inc"

; Leaf %1, subleaf %2.
%macro leaf 1-2 0
    mov   eax, %1
    mov   ecx, %2
    cpuid
%endmacro


%macro must_have 3+
    leaf  %1
    bt    %2, %3
    check c
%endmacro

begin:
    begin64
    guest "cpuid: leaves, XSAVE sizes, topology, bits that follow CR4"

    ; The highest leaves, and nothing beyond: Intel repeats the highest basic leaf, AMD gives zeros.
    leaf  0
    cmp   eax, 0xd
    check ae
    mov   [highest], eax
    mov   [vendor], ebx
    or    ecx, edx
    check nz
    leaf  0x80000000
    cmp   eax, 0x80000008
    check ae
    cmp   eax, 0x800000ff
    check b

    ; What 64-bit code takes for granted.
    must_have 1, edx, 0                 ; FPU
    must_have 1, edx, 4                 ; TSC
    must_have 1, edx, 5                 ; MSR
    must_have 1, edx, 6                 ; PAE
    must_have 1, edx, 8                 ; CX8
    must_have 1, edx, 9                 ; APIC
    must_have 1, edx, 24                ; FXSR
    must_have 1, edx, 26                ; SSE2
    must_have 0x80000001, edx, 29       ; LM
    must_have 0x80000001, edx, 11       ; SYSCALL
    must_have 0x80000001, edx, 20       ; NX

    ; A hypervisor that says so names itself; its highest leaf is in its own range.
    leaf  1
    bt    ecx, 31
    jnc   .no_hypervisor
    leaf  0x40000000
    cmp   eax, 0x40000000
    check ae
    cmp   eax, 0x400000ff
    check be
    test  ebx, ebx
    check nz
    say   {"under a hypervisor", 13, 10}
.no_hypervisor:

    ; CPUID.1: CLFLUSH lines are of 64 bytes; the APIC id in EBX, in leaf 0xB and in the APIC is one.
    leaf  1
    shr   ebx, 8
    equal bl, 8
    leaf  1
    shr   ebx, 24
    mov   esi, APIC + 0x20
    mov   eax, [rsi]
    shr   eax, 24
    equal eax, ebx
    cmp   dword [highest], 0xb
    jb    .no_topology
    leaf  0xb
    test  ebx, ebx
    jz    .no_topology
    mov   esi, APIC + 0x20
    mov   esi, [rsi]
    shr   esi, 24
    equal edx, esi
    xor   edi, edi                      ; levels: numbered in CL, types in CH, none after a type of 0
    xor   ebp, ebp                      ; shifts never fall
.level:
    leaf  0xb, edi
    equal cl, dil
    test  ch, ch
    jz    .levels_end
    equal edx, esi
    cmp   eax, ebp
    check ae
    mov   ebp, eax
    inc   edi
    cmp   edi, 8
    check b
    jmp   .level
.levels_end:
.no_topology:

    ; OSXSAVE follows CR4 at once.
    leaf  1
    bt    ecx, 26
    jnc   .no_xsave
    mov   rax, cr4
    and   eax, ~(1 << 18)
    mov   cr4, rax
    leaf  1
    bt    ecx, 27
    check nc
    mov   rax, cr4
    or    eax, 1 << 18
    mov   cr4, rax
    leaf  1
    bt    ecx, 27
    check c

    ; Leaf 0xD: x87 and SSE always; the size for XCR0 follows XCR0, the size for everything does not.
    leaf  0xd
    mov   [supported], eax
    mov   [most], ecx
    and   eax, 3
    equal eax, 3
    equal edx, 0
    cmp   ecx, 576
    check ae
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 1
    xsetbv
    leaf  0xd
    equal ebx, 576
    mov   eax, [most]
    equal ecx, eax
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 3
    xsetbv
    leaf  0xd
    equal ebx, 576

    ; All of it on: the size is that of the component that ends last, and XSAVE writes no byte behind it.
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, [supported]
    xsetbv
    leaf  0xd
    mov   [size], ebx
    mov   eax, [most]
    equal ebx, eax
    mov   edi, 2
    mov   ebp, 576                      ; the furthest end
.component:
    bt    dword [supported], edi
    jnc   .next
    leaf  0xd, edi
    test  eax, eax
    check nz
    bt    ecx, 0                        ; user states only: XCR0 has no other
    check nc
    add   eax, ebx
    cmp   eax, ebp
    jbe   .next
    mov   ebp, eax
.next:
    inc   edi
    cmp   edi, 32
    jb    .component
    mov   eax, [size]
    equal eax, ebp

    mov   edi, FREE
    mov   ecx, 16384
    mov   al, 0x5a
    rep   stosb
    mov   edi, FREE                     ; XSAVE reads the header's XSTATE_BV, and RFBM bits not asked for stay
    xor   eax, eax
    mov   [rdi + 512], rax
    mov   eax, -1
    mov   edx, -1
    xsave [rdi]
    mov   eax, [size]
    mov   ecx, 4096
    sub   ecx, eax
    check ae
    lea   edi, [rdi + rax]
    mov   al, 0x5a
    repe  scasb
    check e

    ; Subleaf 1 with XSAVEC: the compacted size is at most the standard one.
    leaf  0xd, 1
    bt    eax, 1
    jnc   .no_xsavec
    cmp   ebx, 576
    check ae
    mov   edi, FREE
    xor   eax, eax
    mov   [rdi + 512], rax
    mov   [rdi + 520], rax
    mov   eax, -1
    mov   edx, -1
    xsavec [rdi]
    bt    qword [rdi + 520], 63
    check c
.no_xsavec:
.no_xsave:

    ; TSC frequency, where it is said: a crystal in Hz and a ratio, or nothing at all.
    cmp   dword [highest], 0x15
    jb    .no_frequency
    leaf  0x15
    test  eax, eax
    jz    .no_frequency
    test  ebx, ebx
    check nz
    mov   [numerator], ebx
    mov   [denominator], eax
    test  ecx, ecx
    jz    .no_frequency
    mov   eax, ecx
    mul   ebx
    div   dword [denominator]
    cmp   eax, 1000000
    check ae
    mov   ebx, eax
    say   {"TSC frequency from leaf 0x15, hexadecimal: "}
    call  print_hex
    say   {13, 10}
.no_frequency:

    ; Addresses: no more physical bits than the architecture has, 48 or 57 linear ones.
    leaf  0x80000008
    cmp   al, 32
    check ae
    cmp   al, 52
    check be
    cmp   ah, 48
    je    .linear_ok
    equal ah, 57
.linear_ok:

    ; The whole 32 bits of each register are written, the upper halves are zero.
    mov   rbx, -1
    mov   rdx, -1
    mov   rcx, -1
    mov   rax, 0xffffffff00000001
    cpuid
    mov   r8, rbx
    or    r8, rcx
    or    r8, rdx
    or    r8, rax
    shr   r8, 32
    check z
    pass

[section .data]
highest:     dd 0
vendor:      dd 0
supported:   dd 0
most:        dd 0
size:        dd 0
numerator:   dd 0
denominator: dd 0
