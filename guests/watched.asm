; For whoever looks at it from outside: known values in registers and memory, a count that goes on while it runs, and a word
; for each NMI and each interrupt. It never ends.
bits 64
%include "guests/lib.inc"

PLACE       equ FREE                    ; the count, and 16 bytes on, text
TEXT_AT     equ PLACE + 16

begin:
    begin64
    guest "watched: known values for whoever looks"
    mov   qword [exception_hook], nmi_came
    mov   qword [interrupt_hook], interrupt_came
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   esi, known
    mov   edi, TEXT_AT
    mov   ecx, known_end - known
    rep   movsb
    mov   ecx, 0xc0000082               ; LSTAR
    mov   eax, 0x45678abc
    mov   edx, 0xffff8123
    wrmsr
    mov   eax, 0x00112233
    mov   dr1, rax
    say   {"ready", 13, 10}
    mov   rax, 0xa1a2a3a4a5a6a7a8
    mov   rbx, 0xb1b2b3b4b5b6b7b8
    mov   r15, 0xf1f2f3f4f5f6f7f8
    mov   edi, PLACE
    sti
spin:
    inc   qword [rdi]                   ; 3 bytes
    jmp   spin                          ; 2 bytes

nmi_came:
    push  rsi
    push  rbx
    push  rdi
    say   {"an NMI", 13, 10}
    pop   rdi
    pop   rbx
    pop   rsi
    ret

interrupt_came:
    push  rsi
    push  rbx
    push  rdi
    say   {"interrupt "}
    mov   ebx, [interrupt_vector]
    call  print_hex
    say   {13, 10}
    pop   rdi
    pop   rbx
    pop   rsi
    ret

section .data
known:
    db    "known to all", 0, 1, 2, 0xff
known_end:
