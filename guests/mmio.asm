; Memory-mapped registers through every kind of instruction that software uses on them. The APIC timer's initial count is
; a register of 32 bits that reads as written (its interrupt is masked); the I/O APIC and an empty hole are the others.
bits 64
%include "guests/lib.inc"

COUNT  equ APIC + 0x380
HOLE   equ 0xfe000000
SELECT equ 0xfec00000
WINDOW equ 0xfec00010

; Only CF is defined after bit tests.
%macro carry 1
    and   r12d, 1
    equal r12d, %1
%endmacro

; The register holds %1 (32 bits).
%macro holds 1
    mov   r9d, [r10]
    mov   r8d, %1
    cmp   r9d, r8d
    check e
%endmacro

; becomes BEFORE, AFTER, instruction: the register held BEFORE, and holds AFTER the instruction AFTER. r12 has the flags.
%macro becomes 3+
    mov   dword [r10], %1
    %3
    pushfq
    pop   r12
    holds %2
%endmacro

; Arithmetic flags after the last `becomes`: CF 1, ZF 0x40, SF 0x80, OF 0x800.
%macro flags 1
    and   r12d, 0x8c1
    equal r12d, %1
%endmacro

begin:
    begin64
    guest "mmio: every kind of mov, string and read-modify-write, in 64-, 32- and 16-bit code"
    mov   r10d, COUNT
    mov   r11d, HOLE
    mov   r14d, SELECT
    mov   dword [r10 - 0x380 + 0xf0], 0x1ff             ; software-enabled
    mov   dword [r10 - 0x380 + 0x320], 0x10020          ; timer: one-shot, masked
    mov   dword [r10 - 0x380 + 0x3e0], 0xb

    ; Moves.
    becomes 0, 0x12345678, mov dword [r10], 0x12345678
    mov   r15d, 0x87654321
    becomes 0, 0x87654321, mov [r10], r15d
    mov   rax, -1
    mov   eax, [r10]
    mov   ecx, 0x87654321
    equal rax, rcx                      ; zero-extended
    movsxd rax, dword [r10]
    mov   rcx, 0xffffffff87654321
    equal rax, rcx
    mov   eax, 0x11223344
    mov   [abs qword COUNT], eax        ; the accumulator's own forms, with 64-bit addresses
    holds 0x11223344
    xor   eax, eax
    mov   eax, [abs qword COUNT]
    equal eax, 0x11223344
    mov   eax, 0xcafe
    mov   ecx, 1
    mov   [r10 + rcx * 8 - 8], eax
    holds 0xcafe
    push  qword 0x77
    pop   rax
    equal eax, 0x77

    ; Empty silicon: ones of every size, extended as the instruction says; writes are lost.
    xor   eax, eax
    mov   al, [r11 + 1]
    equal rax, 0xff
    mov   ebx, HOLE
    mov   ah, [rbx + 3]
    equal rax, 0xffff
    xor   eax, eax
    mov   ax, [r11 + 2]
    equal rax, 0xffff
    movzx eax, byte [r11 + 5]
    equal rax, 0xff
    movzx rax, word [r11 + 6]
    equal rax, 0xffff
    movsx ax, byte [r11]
    equal rax, 0xffff
    movsx rax, byte [r11]
    equal rax, -1
    movsx eax, word [r11]
    mov   ecx, 0xffffffff
    equal rax, rcx
    mov   rax, [r11 + 8]
    equal rax, -1
    mov   eax, [r11 + 0xffe]            ; over a page end
    equal eax, 0xffffffff
    mov   qword [r11], 5
    mov   byte [r11 + 7], 5
    mov   [r11 + 0xfff], rax
    mov   rax, [r11]
    equal rax, -1
    push  qword [r11]
    pop   rax
    equal rax, -1

    ; Arithmetic and logic, with the register as destination: result and flags.
    becomes 0x7fffffff, 0x80000000, add dword [r10], 1
    flags 0x880
    mov   eax, 1
    becomes 0xffffffff, 0, add [r10], eax
    flags 0x41
    becomes 0x0f0f0000, 0x0f0f00f0, or dword [r10], 0xf0
    flags 0
    becomes 0xffff, 0x0ff0, and dword [r10], 0x0ff0
    flags 0
    becomes 1, 0xffffffff, sub dword [r10], 2
    flags 0x81
    becomes 0x55555555, 0xaaaaaaaa, xor dword [r10], -1
    flags 0x80
    becomes 5, 5, cmp dword [r10], 5
    flags 0x40
    becomes 4, 4, cmp dword [r10], 5
    flags 0x81
    becomes 0x80000000, 0x80000000, test dword [r10], 0x80000000
    flags 0x80
    stc
    becomes 0xffffffff, 0, inc dword [r10]
    flags 0x41                          ; INC and DEC keep the carry
    clc
    becomes 0, 0xffffffff, dec dword [r10]
    flags 0x80
    becomes 0x0000ffff, 0xffff0000, not dword [r10]
    becomes 1, 0xffffffff, neg dword [r10]
    flags 0x81
    lock or dword [r10], 0
    mov   dword [r10], 0x100
    lock add dword [r10], 0x23
    holds 0x123

    ; The register as source.
    mov   dword [r10], 0x10
    mov   eax, 0x1f
    add   eax, [r10]
    equal eax, 0x2f
    sub   eax, [r10]
    equal eax, 0x1f
    and   eax, [r10]
    equal eax, 0x10
    or    eax, [r10]
    equal eax, 0x10
    xor   eax, [r10]
    check z
    mov   eax, 0x11
    cmp   eax, [r10]
    check a
    test  [r10], eax
    check nz

    ; Exchanges.
    mov   eax, 0xabcd
    xchg  [r10], eax
    equal eax, 0x10
    holds 0xabcd
    mov   ecx, 1
    xadd  [r10], ecx
    equal ecx, 0xabcd
    holds 0xabce
    mov   eax, 0xabce
    mov   ecx, 0x99
    lock cmpxchg [r10], ecx
    check e
    holds 0x99
    mov   eax, 0x55
    cmpxchg [r10], ecx
    check ne
    equal eax, 0x99
    holds 0x99

    ; Bits.
    becomes 0x10, 0x10, bt dword [r10], 4
    carry 1
    becomes 0x10, 0x30, bts dword [r10], 5
    carry 0
    becomes 0x30, 0x20, btr dword [r10], 4
    carry 1
    becomes 0x20, 0x60, btc dword [r10], 6
    carry 0
    mov   eax, 33 - 32 * 0x11           ; a bit offset reaches other dwords: 0x11 dwords below
    lea   rbx, [r10 + 0x40]
    mov   dword [r10], 0
    bts   [rbx], eax
    holds 2
    mov   ecx, 1
    lock btr dword [r10], ecx
    check c
    holds 0

    ; Strings: one way, the other way, and between registers.
    mov   eax, 0x5150
    mov   rdi, r10
    stosd
    lea   rcx, [r10 + 4]
    equal rdi, rcx
    holds 0x5150
    mov   rsi, r10
    lodsd
    equal eax, 0x5150
    mov   dword [FREE], 0x600d
    mov   esi, FREE
    mov   rdi, r10
    movsd
    equal esi, FREE + 4
    holds 0x600d
    mov   rsi, r10
    mov   edi, FREE + 8
    movsd
    equal dword [FREE + 8], 0x600d
    mov   rsi, r11
    mov   edi, FREE + 0x10
    mov   ecx, 20
    mov   qword [FREE + 0x10 + 20], 0
    rep   movsb
    equal dword [FREE + 0x10 + 16], 0xffffffff
    equal dword [FREE + 0x10 + 20], 0
    lea   rax, [r11 + 20]
    equal rsi, rax
    std
    mov   esi, FREE + 0x10 + 23
    lea   rdi, [r11 + 0x1003]
    mov   ecx, 8
    rep   movsb
    cld
    lea   rax, [r11 + 0xffb]
    equal rdi, rax
    lea   rdi, [r11 + 0xff8]
    mov   ecx, 100
    mov   eax, 7
    rep   stosq
    equal ecx, 0
    lea   rax, [r11 + 0xff8 + 800]
    equal rdi, rax

    ; The I/O APIC: index and window; an entry's reserved and read-only bits are not what was written.
    mov   dword [r14], 1
    mov   eax, [r14 + 0x10]
    shr   eax, 16
    equal al, 23
    mov   dword [r14], 0x10 + 2 * 23
    mov   dword [r14 + 0x10], 0x1a0f1
    mov   eax, [r14 + 0x10]
    equal eax, 0x1a0f1
    or    dword [r14 + 0x10], 0x100
    mov   eax, [r14 + 0x10]
    equal eax, 0x1a1f1
    mov   dword [r14], 0x10 + 2 * 23 + 1
    mov   dword [r14 + 0x10], 0x0f000000
    mov   eax, [r14 + 0x10]
    equal eax, 0x0f000000
    mov   dword [r14 + 0x10], 0
    mov   dword [r14], 0x10 + 2 * 23
    mov   dword [r14 + 0x10], 0x10000

    ; The guest's own paging comes first: a page not present, read-only, or for the supervisor only.
    mov   edi, SCRATCH
    mov   eax, (APIC & ~0x1fffff) | 1 << 4 | 3
    mov   ecx, 512
.page:
    mov   [rdi], eax
    mov   dword [rdi + 4], 0
    add   eax, 0x1000
    add   edi, 8
    loop  .page
    mov   qword [TABLES + 0x3000 + 511 * 8], SCRATCH + 7
    mov   rax, cr3
    mov   cr3, rax
    mov   r10d, 0x7fe00380              ; the same register at another address
    mov   dword [r10], 0x1234
    holds 0x1234
    mov   rdx, cr0
    or    edx, 1 << 16
    mov   cr0, rdx
    and   dword [SCRATCH], ~2
    invlpg [r10]
    holds 0x1234
    mov   ecx, 0x99
    faults_with 14, 3, mov [r10], ecx
    faults_with 14, 3, or dword [r10], 1
    mov   rdi, r10
    mov   eax, 1
    faults_with 14, 3, stosd
    equal rdi, r10
    and   dword [SCRATCH], ~1
    invlpg [r10]
    faults_with 14, 0, mov ecx, [r10]
    equal [caught_cr2], r10
    or    dword [SCRATCH], 3
    invlpg [r10]
    holds 0x1234

    ; A polling loop: the current count falls.
    mov   r10d, COUNT
    mov   dword [r10], 0xffffffff
    mov   eax, [r10 + 0x10]
    mov   ecx, 1000000
.poll:
    cmp   [r10 + 0x10], eax
    jne   .moved
    loop  .poll
.moved:
    check ne
    cmp   [r10 + 0x10], eax
    check b

    ; 32-bit and 16-bit code.
    call  dword far [thirty_two]
    mov   r10d, COUNT
    mov   r9d, [r10]
    equal r9d, 0x3201
    mov   dword [gdt + 0x50], 0x0000ffff                ; a 16-bit data segment that begins at the APIC
    mov   dword [gdt + 0x54], 0xfe009300 | (APIC >> 16 & 0xff)
    call  dword far [sixteen]
    mov   r10d, COUNT
    mov   r9d, [r10]
    equal r9d, 0x12341602
    pass

bits 32
in_32:
    mov   dword [COUNT], 0x3100
    mov   ebx, COUNT
    mov   eax, [ebx]
    add   ah, 1
    mov   [COUNT], eax                  ; the accumulator's form with a 32-bit address
    inc   dword [ebx]
    push  dword [ebx]
    mov   dword [ebx], 0
    pop   dword [ebx]
    retf

bits 16
in_16:
    mov   ax, 0x50
    mov   es, ax
    mov   dword [es:0x380], 0x12341600
    mov   bx, 0x300
    mov   si, 0x80
    inc   dword [es:bx + si]
    mov   eax, COUNT
    a32 add dword [eax], byte 1
    o32 retf
bits 64

[section .data]
align 8
thirty_two: dd in_32
            dw CODE32
sixteen:    dd in_16
            dw CODE16
