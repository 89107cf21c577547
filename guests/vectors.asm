; Instructions outside the integer core with their operand on a device (memory that exits, that of `testdev = yes`) and on
; a hole: each must leave what it leaves with the same bytes in RAM.
bits 64
%include "guests/lib.inc"

DEVICE equ 0xff000000
HOLE   equ 0xfe000000
RAM    equ FREE                         ; the device's bytes
ONES   equ FREE + 0x1000                ; the hole's
FIRST  equ FREE + 0x2000                ; what came of the first run
BEFORE equ FREE + 0x3000                ; registers before it

; Registers as they are to begin with, and compared: XMM0 to XMM3 or YMM, MM0 to MM7, RAX, RCX, RDX, flags.
%macro begin_registers 0
    movdqu xmm0, [BEFORE]
    movdqu xmm1, [BEFORE + 16]
    movdqu xmm2, [BEFORE + 32]
    mov   eax, 3
    mov   ecx, 5
    mov   edx, 0x1234
    cmp   eax, eax
%endmacro

%macro note_registers 1
    pushfq
    movdqu [%1], xmm0
    movdqu [%1 + 16], xmm1
    movdqu [%1 + 32], xmm2
    mov   [%1 + 48], rax
    mov   [%1 + 56], rcx
    mov   [%1 + 64], rdx
    pop   rax
    and   eax, 0x8d5
    mov   [%1 + 72], rax
%endmacro

; operand %1 in RAM and %2, of the instruction behind: "paddb xmm0, [rbx]" is written with rbx for its place.
%macro as_in_ram 3+
    mov   ebx, %1
    begin_registers
    %3
    note_registers FIRST
    mov   ebx, %2
    begin_registers
    %3
    note_registers FIRST + 0x100
    mov   esi, FIRST
    mov   edi, FIRST + 0x100
    mov   ecx, 80 / 8
    repe  cmpsq
    check e
%endmacro

%macro reads 1+
    as_in_ram RAM, DEVICE, %1
    as_in_ram ONES, HOLE, %1
%endmacro

; What is stored must be the same, and nothing beyond it; a hole takes it and stays.
%macro stores 1+
    mov   qword [r15], -1
    mov   qword [r15 + 8], -1
    mov   qword [r15 + 16], -1
    mov   qword [r15 + 24], -1
    mov   qword [r15 + 32], -1
    mov   edi, FREE + 0x4000
    mov   ecx, 5
    mov   rax, -1
    rep   stosq
    mov   ebx, FREE + 0x4000
    begin_registers
    %1
    mov   ebx, DEVICE
    begin_registers
    %1
    mov   esi, FREE + 0x4000
    mov   edi, DEVICE
    mov   ecx, 5
    repe  cmpsq
    check e
    mov   ebx, HOLE
    begin_registers
    %1
    equal qword [r14], -1
    fill_device
%endmacro

%macro fill_device 0
    mov   esi, pattern
    mov   edi, DEVICE
    mov   ecx, 16
    rep   movsq
%endmacro

begin:
    begin64
    guest "vectors: x87, MMX, SSE, AVX and BMI on a device and on a hole"
    mov   rax, cr0
    and   eax, ~0xe                     ; MP, EM, TS
    or    eax, 0x20                     ; NE
    mov   cr0, rax
    mov   rax, cr4
    or    eax, 0x600
    mov   cr4, rax
    mov   r15d, DEVICE
    mov   r14d, HOLE
    fill_device
    mov   esi, pattern
    mov   edi, RAM
    mov   ecx, 16
    rep   movsq
    mov   edi, ONES
    mov   ecx, 16
    mov   rax, -1
    rep   stosq
    mov   esi, pattern + 24
    mov   edi, BEFORE
    mov   ecx, 12
    rep   movsq

    ; SSE and SSE2.
    reads movhps xmm0, [rbx]
    reads movlps xmm0, [rbx + 8]
    reads movlpd xmm1, [rbx]
    reads movhpd xmm1, [rbx]
    reads addps xmm0, [rbx]
    reads andnps xmm2, [rbx]
    reads pand  xmm0, [rbx]
    reads paddb xmm1, [rbx + 16]
    reads pshufd xmm0, [rbx], 0x1b
    reads punpcklbw xmm2, [rbx]
    reads pinsrw xmm1, [rbx + 2], 3
    reads cvtsi2sd xmm0, qword [rbx]
    reads cvtsi2ss xmm0, dword [rbx + 4]
    reads cvttsd2si rax, [rbx]
    reads cvtss2si edx, [rbx]
    reads comisd xmm0, [rbx + 8]
    reads ucomiss xmm1, [rbx]
    reads psllw xmm0, [rbx + 32]
    reads cmpps xmm1, [rbx], 2
    reads shufpd xmm1, [rbx + 16], 1
    stores movhps [rbx], xmm0
    stores movlpd [rbx + 8], xmm1
    stores movups [rbx + 3], xmm2
    stores movntps [rbx], xmm1
    mov   ebx, DEVICE
    faults_with 13, 0, paddb xmm0, [rbx + 8]
    fill_device
    mov   dword [FIRST], 0x1f80
    ldmxcsr [FIRST]
    stmxcsr [rbx]
    equal dword [rbx], 0x1f80
    mov   dword [rbx], 0x9fc0
    ldmxcsr [rbx]
    stmxcsr [FIRST]
    equal dword [FIRST], 0x9fc0

    ; A floating-point exception is the guest's, at the instruction.
    fill_device
    mov   rax, cr4
    and   eax, ~0x400
    mov   cr4, rax
    mov   dword [FIRST], 0x1f00         ; invalid operation is not masked
    ldmxcsr [FIRST]
    mov   dword [rbx], 0x7f800001       ; a signalling NaN
    mov   dword [FIRST + 4], 0x7f800001
    expect_from addss xmm0, [FIRST + 4]
    cmp   qword [caught], -1            ; QEMU's TCG raises none
    je    .no_exceptions
    faults 6, addss xmm0, [rbx]         ; nobody has said that it takes them
    or    eax, 0x400
    mov   cr4, rax
    faults 19, addss xmm0, [rbx]
.no_exceptions:
    mov   dword [FIRST], 0x1f80
    ldmxcsr [FIRST]
    fill_device

    ; #NM, and #UD.
    mov   rax, cr0
    or    eax, 8                        ; TS
    mov   cr0, rax
    faults 7, paddb xmm0, [rbx]
    faults 7, fld qword [rbx]
    xor   eax, 12                       ; EM alone: QEMU's TCG has #NM first where both are set
    mov   cr0, rax
    faults 6, paddb xmm0, [rbx]
    faults 6, paddb mm0, [rbx]
    faults 7, fld qword [rbx]
    and   eax, ~0xc
    mov   cr0, rax

    ; MMX: what the registers of x87 become.
    pxor  mm3, mm3
    fninit
    fld1
    paddb mm3, [rbx]
    movq  [FIRST], mm3
    pxor  mm3, mm3
    fninit
    fld1
    paddb mm3, [RAM]
    movq  rax, mm3
    equal [FIRST], rax
    fnstsw ax
    and   eax, 0x3800
    equal eax, 0                        ; TOP
    emms

    ; x87: values, control words, and the pointers to the latest instruction.
    fninit
    mov   rax, 0x4009000000000000       ; 3.125
    mov   [rbx], rax
    fld   qword [rbx]
    fadd  qword [rbx]
    fstp  qword [rbx + 8]
    mov   rax, 0x4019000000000000
    equal [rbx + 8], rax
    fild  dword [rbx]
    fistp word [rbx + 16]
    equal word [rbx + 16], 0
    fld1
    fstp  tword [rbx + 32]
    mov   rax, 0x8000000000000000
    equal [rbx + 32], rax
    equal word [rbx + 40], 0x3fff
    fld   tword [rbx + 32]
    fstp  dword [rbx]
    equal dword [rbx], 0x3f800000
    fnstcw [rbx]
    equal word [rbx], 0x37f
    mov   word [rbx], 0x27f
    fldcw [rbx]
    fnstcw [FIRST]
    equal word [FIRST], 0x27f
    fnstenv [rbx]
    equal word [rbx], 0x27f
    fldenv [rbx]
    fninit
    fild  dword [rbx + 64]
.latest:
    fxsave64 [RAM + 0x200]
    lea   rax, [.latest - 3]
    cmp   qword [RAM + 0x208], 0        ; AMD's processors keep it with an exception alone
    je    .no_pointer
    equal [RAM + 0x208], rax
    lea   rax, [rbx + 64]
    equal [RAM + 0x210], rax
.no_pointer:
    fninit
    fnsave [rbx]
    equal word [rbx], 0x37f
    frstor [rbx]
    fill_device

    ; SSSE3, SSE4, AES, CRC32, POPCNT: by CPUID.
    mov   eax, 1
    cpuid
    mov   r12d, ecx
    bt    r12d, 9
    jnc   .no_ssse3
    reads pshufb xmm0, [rbx]
    reads palignr xmm1, [rbx + 16], 5
.no_ssse3:
    bt    r12d, 19
    jnc   .no_sse41
    reads pmovsxbw xmm0, [rbx + 8]
    reads pminud xmm1, [rbx]
    reads pinsrq xmm2, [rbx], 1
    reads ptest xmm0, [rbx]
    stores pextrb [rbx + 1], xmm0, 3
    stores extractps [rbx + 4], xmm1, 2
.no_sse41:
    bt    r12d, 20
    jnc   .no_sse42
    reads crc32 eax, dword [rbx]
    reads crc32 rax, byte [rbx + 3]
    reads pcmpistri xmm0, [rbx + 1], 0x0c
.no_sse42:
    bt    r12d, 23
    jnc   .no_popcnt
    reads popcnt rax, [rbx]
    reads popcnt ax, [rbx + 6]
    mov   ebx, DEVICE
    mov   r13, rsp
    popcnt rsp, [rbx]                   ; a register that Keel keeps for itself
    mov   rax, rsp
    mov   rsp, r13
    popcnt rcx, [RAM]
    equal rax, rcx
.no_popcnt:
    bt    r12d, 25
    jnc   .no_aes
    reads aesenc xmm0, [rbx]
.no_aes:

    ; BMI: VEX without vectors.
    mov   eax, 7
    xor   ecx, ecx
    cpuid
    mov   r13d, ebx
    bt    r13d, 3
    jnc   .no_bmi1
    reads andn rax, rcx, [rbx]
    reads bextr eax, [rbx], edx
    reads blsr rdx, [rbx]
    reads tzcnt eax, [rbx]
.no_bmi1:
    bt    r13d, 8
    jnc   .no_bmi2
    reads mulx rax, rcx, [rbx]
    reads shlx rax, [rbx], rcx
    reads rorx edx, [rbx], 7
    reads pdep rax, rcx, [rbx]
.no_bmi2:

    ; AVX and AVX2, with 32 bytes.
    bt    r12d, 28
    jnc   .no_avx
    mov   rax, cr4
    or    eax, 1 << 18
    mov   cr4, rax
    mov   ebx, DEVICE
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 3
    xsetbv
    faults 6, vaddps xmm0, xmm1, [rbx]
    mov   eax, 7
    xsetbv
    reads vaddps xmm0, xmm1, [rbx + 4]
    reads vpand xmm0, xmm1, [rbx]
    reads vbroadcastss xmm2, [rbx + 4]
    stores vmovdqu [rbx + 1], xmm0
    mov   ebx, DEVICE
    vmovdqu ymm0, [rbx]
    vmovdqu [FIRST], ymm0
    mov   esi, FIRST
    mov   edi, RAM
    mov   ecx, 4
    repe  cmpsq
    check e
    vmovdqu [rbx + 0xff0], ymm0         ; over a page's end
    vmovdqu ymm1, [rbx + 0xff0]
    vptest ymm1, ymm1
    check nz
    vxorps ymm1, ymm0
    vptest ymm1, ymm1
    check z
    faults_with 13, 0, vmovdqa ymm0, [rbx + 16]
    vpcmpeqd xmm3, xmm3, xmm3
    vpslldq xmm3, xmm3, 8               ; elements 2 and 3
    mov   qword [rbx], -1
    mov   qword [rbx + 8], -1
    vmaskmovps [rbx], xmm3, xmm0
    equal qword [rbx], -1               ; not touched
    mov   rax, [pattern + 8]
    equal [rbx + 8], rax
    fill_device
    vmaskmovps xmm1, xmm3, [rbx]
    vmovdqu [FIRST], xmm1
    equal qword [FIRST], 0
    equal [FIRST + 8], rax
    bt    r13d, 5
    jnc   .no_avx2
    vpcmpeqd ymm3, ymm3, ymm3
    vmovdqu ymm2, [indexes]
    vpgatherdd ymm1, [rbx + ymm2 * 4], ymm3
    vmovdqu [FIRST], ymm1
    vpcmpeqd ymm3, ymm3, ymm3
    mov   eax, RAM
    vpgatherdd ymm1, [rax + ymm2 * 4], ymm3
    vmovdqu [FIRST + 32], ymm1
    mov   esi, FIRST
    mov   edi, FIRST + 32
    mov   ecx, 4
    repe  cmpsq
    check e
    vptest ymm3, ymm3                   ; all done
    check z
.no_avx2:
    bt    r13d, 16
    jnc   .no_avx

    ; AVX-512: masks, broadcasts, and what is not touched.
    xor   ecx, ecx
    xor   edx, edx
    mov   eax, 0xe7
    xsetbv
    mov   ebx, DEVICE
    mov   eax, 0x5a5a
    kmovw k1, eax
    vpxord zmm4, zmm4, zmm4
    vmovdqu32 zmm4{k1}, [rbx]
    vpxord zmm5, zmm5, zmm5
    mov   eax, RAM
    vmovdqu32 zmm5{k1}, [rax]
    vpcmpud k2, zmm4, zmm5, 4
    kmovw eax, k2
    equal eax, 0
    vpaddd zmm4, zmm5, [rbx + 4]{1to16}
    mov   eax, RAM
    vpaddd zmm6, zmm5, [rax + 4]{1to16}
    vpcmpud k2, zmm4, zmm6, 4
    kmovw eax, k2
    equal eax, 0
    mov   rax, -1
%assign at 0
%rep 8
    mov   [rbx + at], rax
%assign at at + 8
%endrep
    vmovdqu32 [rbx]{k1}, zmm6
    equal dword [rbx], -1
    vmovd eax, xmm6
    vpextrd eax, xmm6, 1
    equal [rbx + 4], eax
    vpcompressd [rbx]{k1}, zmm5
    vpexpandd zmm7{k1}{z}, [rbx]
    vpcmpud k2, zmm7, zmm5, 4
    kmovw eax, k2
    equal eax, 0
    kmovw [rbx], k1
    equal word [rbx], 0x5a5a
    vmovdqu32 zmm2, [indexes]
    kxnorw k3, k3, k3
    vpscatterdd [rbx + zmm2 * 4]{k3}, zmm6
    kmovw eax, k3
    equal eax, 0
.no_avx:
    pass

section .data
align 64
pattern:
    dq 0x3f80000040490fdb, 0x40091eb851eb851f, 0x0123456789abcdef, 0xfedcba9876543210
    dq 0x0000000000000005, 0x3ff0000000000000, 0xc02e000000000000, 0x4111111142222222
    dq 0x1122334455667788, 0x99aabbccddeeff00, 0x0f1e2d3c4b5a6978, 0x8796a5b4c3d2e1f0
    dq 0x3f0000003e800000, 0x3f4000003dcccccd, 0x4000000040400000, 0x4080000040a00000
indexes:
    dd 7, 0, 5, 1, 6, 2, 4, 3, 15, 8, 14, 9, 13, 10, 12, 11
