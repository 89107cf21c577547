; The local APIC: registers, priorities, IPIs to itself, errors; x2APIC; off, on again, and elsewhere.
bits 64
%include "guests/lib.inc"

APIC_BASE equ 0x1b
COUNT     equ 1000000                 ; of the timer: long enough for most machines to look in between

%macro put_apic 2
    mov   dword [r15 + %1], %2
%endmacro

%macro apic_is 2
    mov   eax, [r15 + %1]
    equal eax, %2
%endmacro

%macro counted 2
    mov   eax, [counts + %1 * 4]
    equal eax, %2
%endmacro

; A window for interrupts.
%macro window 0
    sti
    nop
    nop
    cli
%endmacro

%macro lock_move 2
    db    0xf0
    mov   %1, %2
%endmacro

begin:
    begin64
    guest "apic: registers, priority, self IPIs, errors, x2APIC, off and on"
    mov   r15d, APIC

    ; After power-on: software-disabled, everything masked; enabled, LVT masks can be cleared.
    mov   eax, [r15 + 0x30]
    and   eax, 0xf0
    equal eax, 0x10
    put_apic 0xf0, 0x0ff
    put_apic 0x320, 0x30
    apic_is 0x320, 0x10030
    put_apic 0xf0, 0x1ff
    put_apic 0x320, 0x10030
    put_apic 0x350, 0x10000
    put_apic 0x80, 0
    put_apic 0xd0, 0x01000000
    mov   eax, [r15 + 0xd0]
    equal eax, 0x01000000
    put_apic 0xe0, 0xffffffff
    apic_is 0xe0, 0xffffffff

    ; IPIs to itself: by shorthand, by physical and logical destination, to all, to others only.
    put_apic 0x300, 0x40041
    window
    counted 0x41, 1
    mov   eax, [r15 + 0x20]
    mov   [r15 + 0x310], eax
    put_apic 0x300, 0x42
    window
    counted 0x42, 1
    put_apic 0x310, 0x01000000
    put_apic 0x300, 0x843
    window
    counted 0x43, 1
    put_apic 0x300, 0x80044
    window
    counted 0x44, 1
    put_apic 0x300, 0xc0045
    window
    counted 0x45, 0
    mov   eax, [r15 + 0x300]
    test  eax, 1 << 12                  ; delivered
    check z

    ; Priorities: the higher first; TPR holds back its class and below; PPR tells.
    put_apic 0x300, 0x40051
    put_apic 0x300, 0x40061
    mov   eax, [r15 + 0x200 + 0x10 * 2]
    equal eax, 1 << 17
    mov   eax, [r15 + 0x200 + 0x10 * 3]
    equal eax, 2
    put_apic 0x80, 0x50
    window
    counted 0x61, 1
    counted 0x51, 0
    apic_is 0xa0, 0x50
    put_apic 0x80, 0x4f
    window
    counted 0x51, 1
    mov   rax, cr8
    equal eax, 4
    mov   eax, 0xf
    mov   cr8, rax
    apic_is 0x80, 0xf0
    put_apic 0x300, 0x400f1
    window
    counted 0xf1, 0
    xor   eax, eax
    mov   cr8, rax
    window
    counted 0xf1, 1
    apic_is 0x80, 0

    ; AMD's other way to CR8, which needs no REX prefix: CR0 with LOCK.
    mov   eax, 0x80000001
    cpuid
    bt    ecx, 4
    jnc   .one_way
    mov   eax, 5
    lock_move cr0, rax
    apic_is 0x80, 0x50
    lock_move rcx, cr0
    equal ecx, 5
    xor   eax, eax
    mov   cr8, rax
.one_way:

    ; In service: one of the same class waits for the end of interrupt.
    mov   qword [interrupt_hook], within
    put_apic 0x300, 0x40071
    window
    mov   qword [interrupt_hook], 0
    window
    counted 0x72, 1
    equal dword [within_in_service], 1 << 17
    equal dword [within_waits], 1 << 18
    equal dword [within_priority], 0x70

    ; The timer: from one-shot to periodic and back the count goes on; at 0 a one-shot count stays. Where the machine has other
    ; things to do before it looks again, with a count twice as long.
    put_apic 0x3e0, 0xb
    mov   r13d, COUNT
.count:
    mov   r14d, r13d
    shr   r14d, 1
    put_apic 0x320, 0x10040
    put_apic 0x380, r13d
    call  half
    put_apic 0x320, 0x30040
    mov   eax, [r15 + 0x390]
    test  eax, eax
    jz    .late
    cmp   eax, r14d
    ja    .late
.wrapped:
    cmp   [r15 + 0x390], r14d
    jbe   .wrapped
    call  half
    put_apic 0x320, 0x10040
    cmp   [r15 + 0x390], r14d
    jbe   .zero
.late:
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    sub   rax, r11
    mov   r11, rax
    under_hypervisor
    jnc   .twice                        ; how fast its timer is nobody says
    cmp   r11, r10                      ; what was left has passed: the machine was late, not the timer wrong
    check ae
.twice:
    add   r13d, r13d
    cmp   r13d, COUNT << 9
    check b
    jmp   .count
.zero:
    cmp   dword [r15 + 0x390], 0
    jne   .zero
    put_apic 0x320, 0x30040
    apic_is 0x390, 0
    put_apic 0x320, 0x10000
    put_apic 0x380, 0

    ; Errors: a vector below 16, sent; shown after a write to the register.
    put_apic 0x370, 0x48
    put_apic 0x280, 0
    put_apic 0x300, 0x40005
    put_apic 0x280, 0
    mov   eax, [r15 + 0x280]
    test  eax, 0x60
    check nz
    window
    under_hypervisor
    jnc   .no_error_interrupt           ; Bochs notes the error, and no more
    cmp   dword [counts + 0x48 * 4], 1
    check ae
.no_error_interrupt:
    put_apic 0x370, 0x10000
    put_apic 0x280, 0
    put_apic 0x280, 0
    apic_is 0x280, 0

    ; x2APIC: the same registers as MSRs; the page is RAM's or nobody's; no way back but through off.
    mov   eax, 1
    cpuid
    bt    ecx, 21
    jnc   .no_x2apic
    mov   ecx, APIC_BASE
    rdmsr
    or    eax, 1 << 10
    wrmsr
    mov   byte [x2apic], 1
    mov   ecx, 0x802
    rdmsr
    shl   eax, 24
    mov   r13d, eax
    mov   ecx, 0x803
    rdmsr
    and   eax, 0xf0
    equal eax, 0x10
    mov   ecx, 0x83f                    ; SELF IPI
    mov   eax, 0x46
    xor   edx, edx
    wrmsr
    window
    counted 0x46, 1
    mov   ecx, 0x830
    mov   eax, 0x40047
    wrmsr
    window
    counted 0x47, 1
    mov   ecx, 0x80d                    ; the logical id follows from the id
    rdmsr
    equal eax, 1
    faults_with 13, 0, wrmsr            ; and is read-only
    mov   ecx, 0x80b
    mov   eax, 1
    xor   edx, edx
    faults_with 13, 0, wrmsr            ; EOI takes 0 alone
    faults_with 13, 0, rdmsr
    mov   ecx, 0x831
    faults_with 13, 0, rdmsr            ; there is no upper half of ICR
    mov   ecx, 0x808
    mov   eax, 0x100
    faults_with 13, 0, wrmsr            ; reserved bits of TPR
    mov   ecx, 0x801
    faults_with 13, 0, rdmsr
    mov   ecx, APIC_BASE                ; x2APIC to xAPIC is not allowed
    rdmsr
    and   eax, ~(1 << 10)
    faults_with 13, 0, wrmsr
.no_x2apic:

    ; Off: the page is empty, CPUID's bit is gone; EXTD alone is refused. On again where that is possible.
    under_hypervisor
    jnc   .bare                         ; Bochs and QEMU never switch it on again
    mov   ecx, APIC_BASE
    rdmsr
    and   eax, ~(3 << 10)
    wrmsr
    mov   byte [x2apic], 0
    mov   eax, 1
    cpuid
    bt    edx, 9
    check nc
    apic_is 0x30, 0xffffffff
    mov   eax, 0xb                      ; CR8 is the processor's own
    mov   cr8, rax
    mov   rcx, cr8
    equal ecx, 0xb
    apic_is 0x80, 0xffffffff
    xor   eax, eax
    mov   cr8, rax
    mov   ecx, 0x802
    faults_with 13, 0, rdmsr
    mov   ecx, APIC_BASE
    rdmsr
    or    eax, 1 << 10
    faults_with 13, 0, wrmsr
    and   eax, ~(1 << 10)
    or    eax, 1 << 11
    wrmsr
    mov   eax, 1
    cpuid
    bt    edx, 9
    check c
    mov   eax, [r15 + 0xf0]
    equal eax, 0xff                     ; as after reset
    put_apic 0xf0, 0x1ff
    put_apic 0x300, 0x40049
    window
    counted 0x49, 1

    ; Elsewhere: the page follows the base, and leaves its old place.
    mov   ecx, APIC_BASE
    rdmsr
    mov   r12d, eax
    and   eax, 0xfff
    or    eax, 0xfe800000
    wrmsr
    apic_is 0x30, 0xffffffff
    mov   r15d, 0xfe800000
    mov   eax, [r15 + 0x30]
    and   eax, 0xf0
    equal eax, 0x10
    put_apic 0x300, 0x4004a
    sti
    nop
    cli
    put_apic 0xb0, 0                    ; the shared handler's EOI went to the old place
    counted 0x4a, 1
    mov   ecx, APIC_BASE
    mov   eax, r12d
    xor   edx, edx
    wrmsr
    mov   r15d, APIC
    mov   eax, [r15 + 0x30]
    and   eax, 0xf0
    equal eax, 0x10
.bare:
    pass

; Until the timer has counted to half: what is left then in r10, and the TSC before that was read in r11.
half:
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    mov   r11, rax
    mov   r10d, [r15 + 0x390]
    cmp   r10d, r14d
    ja    half
    ret

; In the handler of 0x71: another one of its class is sent, and waits.
within:
    cmp   ecx, 0x71
    je    .first
    ret
.first:
    mov   dword [r15 + 0x300], 0x40072
    sti
    nop
    cli
    mov   eax, [r15 + 0x130]
    mov   [within_in_service], eax
    mov   eax, [r15 + 0x230]
    mov   [within_waits], eax
    mov   eax, [r15 + 0xa0]
    mov   [within_priority], eax
    mov   dword [interrupt_vector], 0x71
    mov   qword [interrupt_hook], 0
    ret

[section .data]
align 4
within_in_service: dd 0
within_waits:      dd 0
within_priority:   dd 0
