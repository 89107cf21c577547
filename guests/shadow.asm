; #DB in the shadow of MOV SS and of STI: single steps, INT1, INT3, INT n and data breakpoints.
bits 64
%include "guests/lib.inc"

; So many #DBs since the last look, each with this DR6.
%macro debugs 2
    equal dword [events], %1
    mov   eax, [seen_in_all]
    equal eax, %2
    mov   eax, [seen_in_any]
    equal eax, %2
%endmacro

%macro quiet 0
    mov   dword [events], 0
    mov   dword [seen_in_all], -1
    mov   dword [seen_in_any], 0
    mov   rax, 0xffff0ff0
    mov   dr6, rax
%endmacro

; TF from here on: the instruction behind runs first.
%macro step_on 0
    pushfq
    or    dword [rsp], 0x100
    popfq
%endmacro

%macro step_off 0
    pushfq
    and   dword [rsp], ~0x100
    popfq
%endmacro

begin:
    begin64
    guest "shadow: #DB behind MOV SS and STI"
    mov   qword [exception_hook], record
    mov   word [selector], DATA

    ; Single steps: instructions that leave the guest count as others do.
    quiet
    step_on
    nop
    cpuid
    mov   edx, 0x3fd
    in    al, dx
    step_off
    debugs 7, 0xffff4ff0

    ; MOV SS and the instruction behind it are one step; INT1 there says nothing in DR6; STI holds no step back.
    quiet
    mov   ecx, ss
    step_on
    mov   ss, ecx
    nop
.behind_mov_ss:
    step_off
    debugs 4, 0xffff4ff0
    equal dword [first], .behind_mov_ss
    quiet
    mov   ecx, ss
    step_on
    mov   ss, ecx
    db    0xf1
.behind_int1:
    nop
    step_off
    equal dword [events], 5
    equal dword [seen_in_all], 0xffff0ff0
    equal dword [seen_in_any], 0xffff4ff0
    equal dword [first], .behind_int1
    quiet
    step_on
    sti
    nop
    cli
    step_off
    debugs 6, 0xffff4ff0

    ; A breakpoint on what MOV SS reads waits for the next instruction, one that leaves the guest too.
    mov   rax, selector
    mov   dr1, rax
    mov   eax, 0x00f0040a
    mov   dr7, rax
    quiet
    mov   ss, [selector]
    nop
    nop
    debugs 1, 0xffff0ff2
    under_svm                           ; whose exits lose what waits for the shadow's end
    je    .end
    quiet
    mov   ss, [selector]
    cpuid
    nop
    debugs 1, 0xffff0ff2
    quiet
    mov   ss, [selector]
    in    al, 0x21
    nop
    debugs 1, 0xffff0ff2
.end:
    pass

; Notes DR6 of each #DB, and where the first was.
record:
    cmp   byte [caught], 1
    jne   .end
    mov   rax, dr6
    and   [seen_in_all], eax
    or    [seen_in_any], eax
    inc   dword [events]
    cmp   dword [events], 1
    jne   .end
    mov   rax, [caught_rip]
    mov   [first], eax
.end:
    ret

section .data
align 4
events:      dd 0
seen_in_all: dd 0
seen_in_any: dd 0
first:       dd 0
selector:    dw 0, 0, 0, 0
