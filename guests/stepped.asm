; Single steps over what a hypervisor completes: IN, OUT, CPUID, MSRs, devices in memory, HLT, faults that it raises; and over what
; handles RFLAGS.TF: PUSHF, POPF, IRET, STI, MOV SS, INT n, INT3. A debugger outside steps through `first` and through `third`, and
; the guest must not see it: no #DB in `first`, and in `third`, which steps itself, what there was in `second`.
bits 64
%include "guests/lib.inc"

TIMER equ 0x40                          ; vectors
INT_N equ 0x80
TF    equ 0x100

%macro gate 2
    mov   word [IDT + 16 * %1], %2
%endmacro

begin:
    mov   r12d, first                   ; for the debugger, who is here before all of it
    mov   r13d, first_done
    mov   r14d, third
    mov   r15d, third_done
    begin64
    guest "stepped: single steps over what a hypervisor completes"
    mov   edi, counters                 ; nobody has cleared what is behind the image
    mov   ecx, counters_end - counters
    xor   eax, eax
    rep   stosb
    gate  1, on_debug
    gate  3, on_call
    gate  6, on_undefined
    gate  13, on_protection
    gate  INT_N, on_call
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x320], TIMER
    mov   dword [rsi + 0x3e0], 0xb
    xor   r12d, r12d                    ; TF as the guest has it
first:
    call  sequence
    mov   esi, APIC
    mov   dword [rsi + 0x380], 20000
    sti
    hlt
first_done:                             ; while it is stepped no interrupt comes
    cmp   dword [counts + 4 * TIMER], 0
    jne   .woken
    hlt
    jmp   first_done
.woken:
    cli
    equal dword [debugs], 0
    equal dword [wrong], 0
    call  steps_itself                  ; `second`: nobody else steps
    mov   eax, [debugs]
    mov   [debugs_alone], eax
    mov   rax, [places]
    mov   [places_alone], rax
    equal dword [wrong], 0
third:
    call  steps_itself
third_done:
    mov   eax, [debugs_alone]
    cmp   eax, 40                       ; the sequence is longer than that
    check a
    equal eax, [debugs]
    mov   rax, [places_alone]
    equal rax, [places]
    equal dword [wrong], 0
    pass

steps_itself:
    mov   dword [debugs], 0
    mov   qword [places], 0
    mov   r12d, TF
    pushfq
    or    dword [rsp], TF
    popfq
    call  sequence
    pushfq
    and   dword [rsp], ~TF
    popfq
    xor   r12d, r12d
    ret

; RFLAGS as pushed: TF must be the guest's.
%macro flags_on_stack 1
    mov   eax, [%1]
    and   eax, TF
    cmp   eax, r12d
    setne al
    movzx eax, al
    add   [wrong], eax
%endmacro

sequence:
    in    al, 0x21
    out   0x80, al
    xor   eax, eax
    cpuid
    mov   ecx, 0x1b
    rdmsr
    mov   ecx, 0xc0000082
    xor   eax, eax
    xor   edx, edx
    wrmsr
    mov   esi, APIC
    mov   eax, [rsi + 0x30]
    mov   [rsi + 0x80], edx
    movzx eax, byte [rsi + 0x30]
    and   dword [rsi + 0x80], 0
    mov   ecx, 3
    mov   edx, 0x80
    mov   esi, SCRATCH
    rep   outsb
    pushfq
    flags_on_stack rsp
    popfq
    nop
    mov   eax, esp
    push  DATA
    push  rax
    pushfq
    push  CODE64
    push  .returned
    iretq
.returned:
    sti
    nop
    cli
    mov   eax, ss
    mov   ss, eax
    nop
    int   INT_N
    int3
    nop
    ud2
    mov   ecx, 0x12345678               ; no such MSR
    rdmsr
    wbinvd
    pause
    ret

on_debug:
    push  rax
    mov   rax, dr6
    bt    eax, 14
    setnc al
    movzx eax, al
    add   [wrong], eax
    mov   eax, 0xffff0ff0
    mov   dr6, rax
    inc   dword [debugs]
    mov   eax, [rsp + 8]                ; RIP and TF as pushed, in their order
    xor   eax, [rsp + 8 + 16]
    imul  eax, [debugs]
    add   [places], rax
    pop   rax
    iretq

on_call:
    push  rax
    flags_on_stack rsp + 8 + 16
    pop   rax
    iretq

on_protection:
    add   rsp, 8
on_undefined:
    push  rax
    flags_on_stack rsp + 8 + 16
    pop   rax
    add   qword [rsp], 2
    iretq

section .bss
align 8
counters:
debugs:
    resd  1
debugs_alone:
    resd  1
places:
    resq  1
places_alone:
    resq  1
wrong:
    resd  1
counters_end:
