; Interrupts in loops that toggle IF, that leave the guest all the time, and that never leave it: none is lost, none comes
; twice, none waits for ever. An APIC timer ticks throughout.
bits 64
%include "guests/lib.inc"

VECTOR_TIMER equ 0x60
PERIOD       equ 20000                  ; bus ticks

; Runs %2... until 100 ticks of the timer have come, or for %1 rounds, which must not happen.
%macro until_100 2+
    call  restart
    mov   r12d, %1
%%round:
    %2
    cmp   dword [counts + VECTOR_TIMER * 4], 100
    jae   %%done
    dec   r12d
    jnz   %%round
%%done:
    cli
    cmp   dword [counts + VECTOR_TIMER * 4], 100
    check ae
%endmacro

%macro toggle 0
    sti
    nop
    cli
%endmacro

%macro flags_toggle 0
    push  0x202
    popfq
    nop
    push  2
    popfq
%endmacro

%macro exits 0
    sti
    cpuid
    in    al, 0x21
    cli
%endmacro

%macro only_spin 0
    sti
    pause
%endmacro

%macro system_call 0
    sti
    int3
    cli
%endmacro

%macro returns 0
    mov   rax, rsp
    push  DATA
    push  rax
    push  0x202
    push  CODE64
    push  %%next
    iretq
%%next:
    cli
%endmacro

begin:
    begin64
    guest "interrupts: none lost and none late, whatever toggles IF"
    mov   r15d, APIC
    mov   dword [r15 + 0xf0], 0x1ff
    mov   dword [r15 + 0x3e0], 0xb
    mov   dword [r15 + 0x320], 0x20000 | VECTOR_TIMER
    mov   dword [r15 + 0x380], PERIOD

    until_100 100000000, toggle
    until_100 100000000, flags_toggle
    until_100 100000000, exits
    until_100 100000000, only_spin
    mov   qword [exception_hook], nothing
    until_100 100000000, system_call
    mov   qword [exception_hook], 0
    until_100 100000000, returns
    say   {"toggled", 13, 10}

    ; With IF set for good and no exit: the loop ends by the interrupts' own doing.
    call  restart
    sti
.spin:
    cmp   dword [counts + VECTOR_TIMER * 4], 50
    jb    .spin
    cli

    ; Self IPIs, each taken before the next: as many interrupts as were sent.
    mov   dword [r15 + 0x320], 0x10000
    mov   r12d, 1000
.send:
    mov   dword [r15 + 0x300], 0x40061
    sti
    nop
    nop
    cli
    dec   r12d
    jnz   .send
    equal dword [counts + 0x61 * 4], 1000

    ; Sent with IF off, two of them: one waits, the other is the same.
    mov   r12d, 100
.twice:
    mov   dword [r15 + 0x300], 0x40062
    mov   dword [r15 + 0x300], 0x40062
    sti
    nop
    nop
    cli
    dec   r12d
    jnz   .twice
    equal dword [counts + 0x62 * 4], 100

    ; The PIC beside it: the 8254 ticks through ExtINT while the APIC's timer does.
    mov   dword [r15 + 0x350], 0x700
    mov   al, 0x34
    out   0x43, al
    mov   al, 0x00
    out   0x40, al
    mov   al, 0x04
    out   0x40, al                      ; 1165 a second
    mov   al, 0xfe
    out   0x21, al
    mov   dword [counts + 0x20 * 4], 0
    mov   dword [r15 + 0x320], 0x20000 | VECTOR_TIMER
    call  restart
    mov   r12d, 100000000
.both:
    sti
    hlt
    cli
    cmp   dword [counts + VECTOR_TIMER * 4], 50
    jb    .again
    cmp   dword [counts + 0x20 * 4], 20
    jae   .ticked
.again:
    dec   r12d
    jnz   .both
.ticked:
    cmp   dword [counts + 0x20 * 4], 20
    check ae
    cmp   dword [counts + VECTOR_TIMER * 4], 50
    check ae
    pass

; Zero ticks, and a new period.
restart:
    mov   dword [counts + VECTOR_TIMER * 4], 0
    mov   dword [r15 + 0x380], PERIOD
    ret

nothing:
    ret
