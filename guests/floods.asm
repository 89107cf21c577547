; Floods its UART and everybody's local APIC, for ever.
bits 64
%include "guests/lib.inc"

ICR  equ 0x300
SELF equ 1 << 18                        ; shorthands
ALL  equ 2 << 18

begin:
    begin64
    guest "floods: lines and IPIs"
    mov   edi, APIC
    mov   dword [rdi + 0xf0], 0x1ff
.round:
    mov   ecx, 256
.send:
    mov   eax, ecx
    and   eax, 0x7f
    or    eax, 0x80                     ; a vector, fixed; interrupts are off
    bts   eax, 18
    mov   [rdi + ICR], eax
    xor   eax, SELF | ALL
    mov   [rdi + ICR], eax
    loop  .send
    say   {"0123456789 0123456789 0123456789 0123456789", 13, 10}
    jmp   .round
