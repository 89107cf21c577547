; Every exception that an instruction can raise: vector, error code, saved RIP, CR2; faults in the delivery of others;
; the shadows of STI and MOV SS; single steps over what a hypervisor emulates.
bits 64
%include "guests/lib.inc"

UNMAPPED equ 0x7fe00000                 ; two MiB of pages, none of them there

; The gate of vector %1: its type and present bit, and its stack of the interrupt stack table.
%macro gate 2-3 0
    mov   byte [IDT + %1 * 16 + 5], %2
    mov   byte [IDT + %1 * 16 + 4], %3
%endmacro
PRESENT equ 0x8e
ABSENT  equ 0x0e

begin:
    begin64
    guest "exceptions: each vector, faults in delivery, shadows, single steps"

    ; From the instruction set.
    xor   edx, edx
    xor   ecx, ecx
    faults 0, div ecx
    traps 1, db 0xf1                    ; INT1
    traps 3, int3
    traps 3, db 0xcd, 3
    faults 6, ud2
    faults 6, db 0x0f, 0xff, 0xc0
    faults 6, db 0x06                   ; PUSH ES
    mov   rax, cr0
    or    eax, 1 << 3                   ; TS
    mov   cr0, rax
    faults 7, fninit
    mov   rax, cr4
    or    eax, 3 << 9                   ; OSFXSR, OSXMMEXCPT
    mov   cr4, rax
    faults 7, movaps xmm0, xmm1
    clts
    works fninit
    works movaps xmm0, xmm1
    and   eax, ~(1 << 9)
    mov   cr4, rax
    faults 6, movaps xmm0, xmm1
    or    eax, 1 << 9
    mov   cr4, rax

    ; Segments: not present, beyond the table, of the wrong type.
    mov   qword [gdt + 0x50], 0
    mov   dword [gdt + 0x54], 0x00001300                ; data, not present
    mov   eax, 0x50
    faults_with 11, 0x50, mov fs, ax
    faults_with 12, 0x50, mov ss, ax
    mov   eax, 0x1003
    faults_with 13, 0x1000, mov gs, ax
    mov   eax, CODE64
    faults_with 13, CODE64, mov ss, ax
    faults_with 13, TASK, ltr [busy]
    mov   rbp, 0x0000800000000000
    faults_with 12, 0, mov eax, [rbp]

    ; Control registers: what a hypervisor decides must fault like the processor.
    mov   eax, 16
    faults_with 13, 0, mov cr8, rax
    mov   ecx, 5
    faults 6, db 0x0f, 0x20, 0xe8       ; CR5
    mov   rax, cr0
    and   rax, ~(1 << 18)
    mov   cr0, rax
    mov   rcx, cr0
    equal rax, rcx

    ; The x87 and SSE units' own.
    fninit
    mov   word [FREE], 0x37b            ; zero divide unmasked
    fldcw [FREE]
    mov   rax, cr0
    or    eax, 1 << 5                   ; NE
    mov   cr0, rax
    fld1
    fldz
    fdivp
    faults 16, fwait
    fninit
    mov   dword [FREE], 0x1d80          ; zero divide unmasked
    ldmxcsr [FREE]
    mov   eax, 1
    cvtsi2ss xmm0, eax
    xorps xmm1, xmm1
    faults 19, divss xmm0, xmm1
    mov   dword [FREE], 0x1f80
    ldmxcsr [FREE]

    ; In user mode: a gate for the kernel only, privileged instructions, alignment.
    user_faults 13, int 0x30
    equal qword [caught_error], 0x30 * 8 + 2
    user_faults 13, hlt
    equal qword [caught_error], 0
    user_faults 13, out 0x80, al
    equal qword [caught_error], 0
    mov   rax, cr0
    or    eax, 1 << 18                  ; AM
    mov   cr0, rax
    mov   dword [user_flags], 1 << 18 | 2
    user_faults 17, mov eax, [FREE + 1]
    mov   dword [user_flags], 2
    equal qword [caught_error], 0
    mov   rax, cr0
    and   eax, ~(1 << 18)
    mov   cr0, rax
    pushfq
    and   qword [rsp], ~(1 << 18)
    popfq

    ; Interrupted delivery. A gate that is not there: of a software interrupt, of a fault, of a contributory one.
    gate  0x30, ABSENT
    faults_with 11, 0x30 * 8 + 2, int 0x30
    gate  0x30, PRESENT
    gate  6, ABSENT
    faults_with 11, 6 * 8 + 3, ud2
    gate  6, PRESENT
    gate  13, ABSENT
    mov   eax, 0x1000
    mov   qword [caught], -1
    mov   qword [resume], .double
    mov   gs, ax
.double:
    gate  13, PRESENT
    equal qword [caught], 8
    equal qword [caught_error], 0
    gate  0, ABSENT
    xor   ecx, ecx
    mov   qword [caught], -1
    mov   qword [resume], .double_again
    div   ecx
.double_again:
    gate  0, PRESENT
    equal qword [caught], 8

    ; A stack that is not there: #PF in the delivery of #UD comes alone; in that of #PF it is a double fault.
    mov   edi, SCRATCH
    mov   ecx, 512
    xor   eax, eax
    rep   stosq
    mov   qword [TABLES + 0x3000 + 511 * 8], SCRATCH + 7
    mov   rax, cr3
    mov   cr3, rax
    mov   dword [TSS + 0x2c], UNMAPPED + 0x1000         ; IST2
    gate  6, PRESENT, 2
    faults_with 14, 2, ud2
    equal qword [caught_cr2], UNMAPPED + 0xff8
    gate  6, PRESENT
    gate  14, PRESENT, 2
    mov   qword [caught], -1
    mov   qword [resume], .double_page
    mov   eax, [UNMAPPED + 0x5000]
.double_page:
    gate  14, PRESENT
    equal qword [caught], 8
    equal qword [caught_cr2], UNMAPPED + 0xff8
    gate  6, PRESENT, 1                 ; and a stack of the table that is
    faults 6, ud2
    cmp   qword [caught_rsp], STACK_TOP
    check be
    gate  6, PRESENT

    ; An interrupt waits for the instruction behind STI, also where that one leaves the guest.
    mov   r15d, APIC
    mov   dword [r15 + 0xf0], 0x1ff
    call  pend
    sti
    nop
.after_nop:
    cli
    equal qword [interrupt_rip], .after_nop
    call  pend
    sti
    cpuid
.after_cpuid:
    cli
    equal qword [interrupt_rip], .after_cpuid
    call  pend
    sti
    in    al, 0x21
.after_in:
    cli
    equal qword [interrupt_rip], .after_in
    call  pend
    sti
    mov   eax, [r15 + 0x30]
.after_mmio:
    cli
    equal qword [interrupt_rip], .after_mmio
    call  pend
    sti
    cli                                 ; no window at all
    nop
    equal dword [counts + 0x60 * 4], 4
    sti
    nop
    cli
    equal dword [counts + 0x60 * 4], 5

    ; Single steps: a trap behind each instruction, whoever executes it; none behind MOV SS.
    mov   qword [exception_hook], log_step
    mov   r14d, DATA
    mov   esi, FREE
    mov   edi, steps
    pushfq
    or    qword [rsp], 0x100
    popfq
    nop
.s1:
    cpuid
.s2:
    in    al, 0x21
.s3:
    out   0x80, al
.s4:
    mov   eax, [r15 + 0x30]
.s5:
    mov   ecx, 0x1b
.s6:
    rdmsr
.s7:
    mov   ss, r14d
    cpuid
.s8:
    mov   ecx, 2
.s9:
    mov   edx, 0x80
.s10:
    rep   outsb
.s11:
    pushfq
.s12:
    and   qword [rsp], ~0x100
.s13:
    popfq
.s14:
    nop
    mov   qword [exception_hook], 0
    mov   eax, [step]
    equal eax, .expected_end - .expected
    mov   esi, .expected
    mov   edi, steps
    mov   ecx, (.expected_end - .expected) / 8
.compare:
    cmpsq
    check e
    loop  .compare
    mov   rax, [dr6_seen]               ; BS each time, and nothing else
    equal eax, 0xffff4ff0

    pass

[section .data]
align 8
.expected:
    dq    .s1, .s2, .s3, .s4, .s5, .s6, .s7, .s8, .s9, .s10, .s10, .s11, .s12, .s13, .s14
.expected_end:
__SECT__

; In the #DB handler: where, and DR6 of all of them together.
log_step:
    mov   rax, [caught_rip]
    mov   ecx, [step]
    mov   [steps + rcx], rax
    add   dword [step], 8
    mov   rax, dr6
    mov   [dr6_seen], rax
    mov   eax, 0xffff0ff0
    mov   dr6, rax
    ret

; Makes interrupt 0x60 wait, with interrupts off.
pend:
    mov   qword [interrupt_rip], 0
    mov   dword [r15 + 0x310], 0
    mov   dword [r15 + 0x300], 0x40060  ; to itself
.wait:
    test  dword [r15 + 0x230], 1        ; IRR, vector 0x60
    jz    .wait
    ret

[section .data]
align 8
steps:    times 64 dq 0
dr6_seen: dq 0
step:     dd 0
busy:     dw TASK
