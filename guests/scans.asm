; Looks for the pattern of fills.asm in all that it can reach, then writes it itself, and finds it: so the search works.
bits 64
%include "guests/lib.inc"
%include "guests/pattern.inc"

; What a search must find: nothing, or something.
%macro none 1
    call  %1
    equal r14, 0
%endmacro

%macro some 1
    call  %1
    cmp   r14, 0
    check ne
%endmacro

begin:
    mov   [at_start], rax
    mov   [at_start + 8], rcx
    mov   [at_start + 16], rdx
    mov   [at_start + 24], rbx
    mov   [at_start + 32], rsp
    mov   [at_start + 40], rbp
    mov   [at_start + 48], rsi
    mov   [at_start + 56], rdi
%assign NUMBER 8
%rep 8
    mov   [at_start + 8 * NUMBER], r %+ NUMBER
%assign NUMBER NUMBER + 1
%endrep
    begin64
    guest "scans: nothing of another's pattern"
    call  allow_sse
    none  find_in_start
    none  find_in_registers
    none  find_in_msrs
    none  find_in_cmos
    call  end_of_memory
    mov   r13, rax
    none  find_in_memory
    none  find_in_holes
    none  find_in_ports
    say   {"nothing found", 13, 10}

    call  plant_in_registers
    call  plant_in_msrs
    call  plant_in_cmos
    load_pattern rax
    mov   [r13 - 8], rax
    some  find_in_registers
    some  find_in_msrs
    some  find_in_cmos
    some  find_in_memory
    load_pattern rax
    mov   [at_start + 64], rax
    some  find_in_start
    pass

; The general registers as they were at the start.
find_in_start:
    xor   r14d, r14d
    load_pattern rbx
    mov   esi, at_start
    mov   ecx, 16
.next:
    lodsq
    count_if_equal rax
    loop  .next
    ret

[section .data]
align 8
at_start:
    times 16 dq 0
