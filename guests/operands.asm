; Instructions whose operand or stack is a device: memory that exits at each access, that of `testdev = yes`.
bits 64
%include "guests/lib.inc"

DEVICE equ 0xff000000

%macro to_device 1
    mov   rax, %1
    mov   [rbx], rax
%endmacro

%macro device_is 1
    mov   rax, %1
    equal [rbx], rax
%endmacro

; Two quadwords at rbx + 0 and at `pattern`.
%macro same_pattern 0
    mov   rax, [pattern]
    equal [rbx], rax
    mov   rax, [pattern + 8]
    equal [rbx + 8], rax
%endmacro

; A store of xmm3 and a load, with other bytes in between.
%macro both_ways 1
    movdqu xmm3, [pattern]
    mov   qword [rbx], 0
    mov   qword [rbx + 8], 0
    %1    [rbx], xmm3
    same_pattern
    pxor  xmm3, xmm3
    %1    xmm3, [rbx]
    movdqu [SCRATCH], xmm3
    mov   rax, [SCRATCH]
    equal [rbx], rax
    mov   rax, [SCRATCH + 8]
    equal [rbx + 8], rax
%endmacro

begin:
    begin64
    guest "operands: vectors, state, division, tables, branches and stacks on a device"
    mov   rax, cr0
    and   eax, ~0xe                     ; MP, EM, TS
    mov   cr0, rax
    mov   rax, cr4
    or    eax, 0x600
    mov   cr4, rax
    mov   ebx, DEVICE

    both_ways movups
    both_ways movupd
    both_ways movaps
    both_ways movapd
    both_ways movdqa
    both_ways movdqu
    movdqu xmm15, [pattern]
    mov   qword [rbx + 8], 0
    movntps [rbx], xmm15
    same_pattern
    mov   qword [rbx + 8], 0
    movntdq [rbx], xmm15
    same_pattern
    movups [rbx + 0xff8], xmm15         ; over a page's end, and not aligned
    mov   rax, [pattern + 8]
    equal [rbx + 0x1000], rax
    faults_with 13, 0, movaps [rbx + 8], xmm15
    movdqu xmm7, [pattern]
    movss xmm7, [rbx]
    movdqu [SCRATCH], xmm7
    mov   eax, [pattern]
    equal [SCRATCH], rax                ; the rest is cleared
    equal qword [SCRATCH + 8], 0
    movdqu xmm7, [pattern]
    movsd xmm7, [rbx]
    movdqu [SCRATCH], xmm7
    mov   rax, [pattern]
    equal [SCRATCH], rax
    equal qword [SCRATCH + 8], 0
    mov   qword [rbx], 0
    movq  [rbx], xmm15
    equal [rbx], rax
    mov   qword [rbx], 0
    movd  [rbx], xmm15
    mov   eax, eax
    equal [rbx], rax
    fninit
    fld1                                ; TOP is 7: MM0 is not ST(0)
    movq  mm5, [pattern]
    fninit
    movq  mm5, [pattern]
    mov   qword [rbx], 0
    movq  [rbx], mm5
    mov   rax, [pattern]
    equal [rbx], rax
    movq  mm2, [rbx]
    movq  [SCRATCH], mm2
    equal [SCRATCH], rax
    emms

    ; Division.
    to_device 0
    mov   eax, 1
    mov   edx, 2
    faults 0, div qword [rbx]
    to_device 987654321098765
    mov   rax, 123456789012345
    mov   rdx, rax
    div   qword [rbx]
    mov   rcx, 0x1ffffffb1b963b33
    equal rax, rcx
    mov   rcx, 0x273ba4384ede2
    equal rdx, rcx
    to_device -7
    mov   eax, 100
    cdq
    idiv  dword [rbx]
    equal eax, -14
    equal edx, 2

    ; Bits.
    to_device 0xc00000000000
    bsf   rax, [rbx]
    equal rax, 46
    bsr   rax, [rbx]
    equal rax, 47
    to_device 0x12345678
    mov   ecx, 3
    mov   edx, 0xaaaaaaaa
    shld  [rbx], edx, cl
    device_is 0x91a2b3c5
    shrd  [rbx], edx, 4
    device_is 0xa91a2b3c

    ; The stack, and branches.
    mov   r12, rsp
    lea   rsp, [rbx + 0x1000]
    pushfq
    push  -17
    call  .near
    equal qword [rbx + 0xff0], -17
    enter 0x20, 0
    lea   rax, [rbx + 0xfe8]
    equal rbp, rax
    leave
    lea   rax, [.target]
    mov   [rbx], rax
    call  [rbx]
    mov   rsp, r12
    lea   rax, [.jumped]
    mov   [rbx], rax
    jmp   [rbx]
    ud2
.near:
    ret
.target:
    ret   0
.jumped:
    to_device 0x1111111111111111
    faults_with 13, 0, jmp [rbx]
    lea   rax, [.far]
    mov   [rbx], rax
    mov   word [rbx + 8], CODE64
    o64 jmp far [rbx]
    ud2
.far:
    ; Segments.
    mov   rax, cr0
    mov   qword [rbx], -1
    smsw  [rbx]
    or    rax, ~0xffff
    equal [rbx], rax
    mov   word [rbx], 0
    mov   ss, [rbx]
    mov   eax, ss
    equal eax, 0
    mov   word [rbx], 3
    faults_with 13, 0, mov ss, [rbx]
    mov   word [rbx], DATA
    mov   ss, [rbx]
    str   ax
    mov   [rbx], ax
    and   byte [gdt + TASK + 5], ~2     ; not busy
    ltr   [rbx]
    test  byte [gdt + TASK + 5], 2
    check nz
    mov   word [rbx], 0
    str   [rbx]
    equal word [rbx], TASK

    ; System tables, and selectors that are asked about.
    sgdt  [SCRATCH]
    sgdt  [rbx + 6]
    mov   rax, [SCRATCH]
    equal [rbx + 6], rax
    mov   ax, [SCRATCH + 8]
    equal [rbx + 14], ax
    lgdt  [rbx + 6]
    sidt  [rbx + 6]
    lidt  [rbx + 6]
    mov   word [rbx + 14], 0x4000
    faults_with 13, 0, lgdt [rbx + 6]   ; a base that is not canonical
    mov   word [rbx], CODE64
    lar   eax, [rbx]
    check z
    equal eax, 0x00a09b00
    lsl   eax, [rbx]
    check z
    equal eax, -1
    verr  [rbx]
    check z
    verw  [rbx]
    check nz
    mov   r8, cr0
    mov   rax, r8
    or    eax, 2
    mov   [rbx], ax
    lmsw  [rbx]
    mov   rcx, cr0
    equal rcx, rax
    mov   cr0, r8

    ; State in one piece.
    movdqu xmm3, [pattern]
    fxsave64 [rbx]
    pxor  xmm3, xmm3
    fxrstor64 [rbx]
    movdqu [SCRATCH], xmm3
    mov   rax, [pattern + 8]
    equal [SCRATCH + 8], rax
    faults_with 13, 0, fxsave64 [rbx + 8]
    mov   eax, 1
    cpuid
    mov   ebx, DEVICE
    test  ecx, 1 << 26
    jz    .no_xsave
    mov   rax, cr4
    or    eax, 1 << 18
    mov   cr4, rax
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 3
    xsetbv
    xor   eax, eax
    lea   rdi, [rbx + 512]
    mov   ecx, 8
    cld
    rep   stosq
    mov   eax, 3
    xsave64 [rbx]
    test  byte [rbx + 512], 2
    check nz
    pxor  xmm3, xmm3
    xrstor64 [rbx]
    movdqu [SCRATCH], xmm3
    mov   rcx, [pattern + 8]
    equal [SCRATCH + 8], rcx
    mov   qword [rbx + 520], 1
    faults_with 13, 0, xrstor64 [rbx]
.no_xsave:
    mov   rdi, rbx
    to_device 0
    movdqu xmm1, [mask]
    movdqu xmm2, [pattern]
    maskmovdqu xmm2, xmm1
    device_is 0x0100000000ab0000

    ; Far transfers.
    lea   rsp, [rbx + 0x800]
    push  DATA
    push  r12
    pushfq
    push  CODE64
    lea   rax, [.returned]
    push  rax
    iretq
    ud2
.returned:
    equal rsp, r12
    lea   rsp, [rbx + 0x800]
    lea   rax, [.called]
    mov   [rbx], rax
    mov   word [rbx + 8], CODE64
    o64 call far [rbx]
    lea   rax, [rbx + 0x810]
    equal rsp, rax                      ; with the 16 bytes that RETF releases
    mov   rsp, r12
    pass
.called:
    equal qword [rbx + 0x7f8], CODE64
    o64 retf 16

section .data
align 16
pattern: dq 0x0123456789abcdef, 0xfedcba9876543210
mask: dq 0x8000000000ff7f00, 0
