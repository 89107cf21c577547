; A turn goes round all processors: who has it adds something up, now and then after a sleep, and wakes the next one, which
; halts until then. One wake-up lost, and all sleep for ever.
bits 64
%include "guests/lib.inc"
%include "guests/smp.inc"

NEXT     equ 0x51
TIMER    equ 0x52
SUM      equ 500500                     ; of 1 to 1000

begin:
    begin64
    guest "rounds: wakes one processor after another"
    call  count_processors
    mov   edi, BLOCKS
    mov   ecx, 0x10000 / 8
    xor   eax, eax
    rep   stosq
    mov   esi, trampoline
    mov   edi, TRAMPOLINE
    mov   ecx, trampoline_end - trampoline
    rep   movsb
    mov   word [IDT + WAKE * 16], on_wake
    mov   word [IDT + NEXT * 16], on_next
    mov   word [IDT + TIMER * 16], on_timer
    mov   r15d, .block
    jmp   own_block
.block:
    call  start_others
    sti
    all_do take_turns
    mov   eax, [turns]
    imul  rax, rax, SUM
    equal [sum], rax
    pass

counting on_next, NEXT
counting on_timer, TIMER

take_turns:
    mov   r8d, [gs:OWN_ID]
    lea   r9d, [r8 + 1]                 ; the next one
    xor   eax, eax
    cmp   r9d, [count]
    cmovae r9d, eax
.wait:
    cli
    mov   eax, [turn]
    cmp   eax, [turns]
    jae   .end
    xor   edx, edx
    div   dword [count]
    cmp   edx, r8d
    je    .mine
    sti
    hlt
    jmp   .wait
.mine:
    sti
    mov   ecx, 1000
.add:
    add   [sum], rcx
    loop  .add
    test  byte [turn], 1
    jnz   .pass_on
    call  sleep
.pass_on:
    inc   dword [turn]
    mov   eax, [turn]
    cmp   eax, [turns]
    mov   eax, 0x4000 | NEXT
    mov   edx, TO_OTHERS                ; the last wakes all
    mov   ecx, 0
    cmovb edx, ecx
    or    eax, edx
    mov   edx, r9d
    call  send
    jmp   .wait
.end:
    sti
    ret

; Until the local APIC's timer has counted down from 2^16.
sleep:
    mov   esi, APIC
    mov   ebx, [gs:TIMER * 4]
    mov   dword [rsi + 0x3e0], 0xb      ; divided by 1
    mov   dword [rsi + 0x320], TIMER
    mov   dword [rsi + 0x380], 1 << 16
.wait:
    cli
    cmp   [gs:TIMER * 4], ebx
    jne   .over
    sti
    hlt
    jmp   .wait
.over:
    sti
    ret

[section .data]
align 8
sum:   dq 0
turn:  dd 0
       db "turns "                      ; for a test to find and change
turns: dd 1000
