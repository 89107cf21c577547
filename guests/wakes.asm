; Sleeps until a deadline, computes for a little, and sleeps again: how long after its deadlines it runs, the worst of all.
bits 64
%include "guests/lib.inc"

SLEEPS   equ 200
COUNTED  equ 100                        ; the last ones: until then it has worked off its start
LATE     equ 2000                       ; us: no more than that
TIMER    equ 0x40
DEADLINE equ 0x6e0

; rax = the TSC.
%macro time 0
    rdtsc
    shl   rdx, 32
    or    rax, rdx
%endmacro

begin:
    begin64
    guest "wakes: on time, whoever has the core"
    mov   eax, 1
    cpuid
    bt    ecx, 24                       ; TSC deadline
    check c
    mov   eax, 0x40000010               ; eax: thousands of the TSC's ticks in a second, as hypervisors say it
    cpuid
    mov   r8d, eax                      ; a millisecond
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x320], 0x40000 | TIMER
    xor   r10d, r10d                    ; the worst
    mov   ebp, SLEEPS
.sleep:
    mov   eax, ebp                      ; 4 to 11 ms
    and   eax, 7
    add   eax, 4
    imul  rax, r8
    mov   r9, rax
    time
    add   r9, rax
    mov   ebx, [counts + TIMER * 4]
    mov   rax, r9
    mov   rdx, r9
    shr   rdx, 32
    mov   ecx, DEADLINE
    wrmsr
.wait:
    cli
    cmp   ebx, [counts + TIMER * 4]
    jne   .woken
    sti
    hlt
    jmp   .wait
.woken:
    mov   rax, [interrupt_tsc]
    sub   rax, r9
    check ae                            ; not before its time
    cmp   ebp, COUNTED
    ja    .early
    cmp   rax, r10
    cmova r10, rax
.early:
    mov   eax, r8d                      ; a fifth of a millisecond's work
    xor   edx, edx
    mov   ecx, 5
    div   ecx
    mov   r9, rax
    time
    add   r9, rax
.work:
    time
    cmp   rax, r9
    jb    .work
    dec   ebp
    jnz   .sleep

    imul  rax, r10, 1000
    xor   edx, edx
    div   r8
    mov   r11d, eax
    say   "latest by us "
    mov   ebx, r11d
    call  print_decimal
    say   {13, 10}
    cmp   r11d, LATE
    check be
    pass
