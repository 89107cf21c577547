; A sum that takes a while: of squares.
bits 64
%include "guests/lib.inc"

N      equ 1000000
ROUNDS equ 8
SUM    equ N * (N + 1) / 2 * (2 * N + 1) / 3

begin:
    begin64
    guest "adds: squares"
    xor   ebx, ebx
    mov   esi, ROUNDS
.round:
    mov   ecx, N
.next:
    mov   rax, rcx
    imul  rax, rcx
    add   rbx, rax
    dec   rcx
    jnz   .next
    dec   esi
    jnz   .round
    mov   rax, ROUNDS * SUM
    equal rax, rbx
    pass
