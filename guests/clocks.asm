; Clocks agree and periodic ticks are all there, while others have the core in turn: TSC, ACPI's timer, the 8254, the CMOS clock
; and the local APIC's timer over three seconds.
bits 64
%include "guests/lib.inc"
%include "guests/acpi.inc"

SECONDS  equ 3
PIT      equ 0x20                       ; vectors
RTC      equ 0x28
TIMER    equ 0x40
PM_HZ    equ 3579545
PIT_LOAD equ 29829                      ; 40 ticks a second
RTC_RATE equ 11                         ; 32 a second
LATE     equ 2                          ; ticks: what may be on its way at the end

%macro time 0
    rdtsc
    shl   rdx, 32
    or    rax, rdx
%endmacro

; counts[vector] is `rate` a second, times the seconds.
%macro ticks 2
    mov   ebx, [counts + %1 * 4]
    call  say_number
    sub   ebx, SECONDS * %2 - LATE
    cmp   ebx, 2 * LATE
    check be
%endmacro

begin:
    begin64
    guest "clocks: TSC, PM timer, 8254, CMOS clock, local APIC"
    call  find_fadt
    mov   eax, [rbx + 76]
    mov   [pm_port], ax
    mov   eax, 0x40000010               ; eax: thousands of the TSC's ticks in a second, as hypervisors say it
    cpuid
    imul  rax, rax, 1000
    mov   r8, rax                       ; a second
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x3e0], 0xb      ; divided by 1
    mov   dword [rsi + 0x320], 0x20000 | TIMER
    mov   al, 0x34                      ; counter 0, mode 2
    out   0x43, al
    mov   al, PIT_LOAD & 0xff
    out   0x40, al
    mov   al, PIT_LOAD >> 8
    out   0x40, al
    mov   ax, 0x200a | RTC_RATE << 8 & 0xf00
    call  cmos_put
    mov   ax, 0x420b                    ; periodic interrupt, 24 hours
    call  cmos_put
    mov   qword [interrupt_hook], read_cmos
    mov   al, 0xfa                      ; the 8254 and the cascade
    out   0x21, al
    mov   al, 0xfe
    out   0xa1, al
    call  read_cmos.read

    mov   rax, r8                       ; 40 ticks a second here, too
    xor   edx, edx
    mov   ecx, 40
    div   rcx
    mov   [rsi + 0x380], eax
    mov   dword [counts + PIT * 4], 0
    mov   dword [counts + RTC * 4], 0
    mov   dx, [pm_port]
    in    eax, dx
    mov   r13d, eax
    time
    mov   r14, rax                      ; since when
    imul  r15, r8, SECONDS
    add   r15, rax                      ; and how long
.wait:
    cli
    time
    cmp   rax, r15
    jae   .over
    sti
    hlt
    jmp   .wait
.over:
    mov   dx, [pm_port]
    in    eax, dx
    sub   eax, r13d
    and   eax, 0xffffff
    mov   r12d, eax                     ; the PM timer's ticks
    time
    sub   rax, r14
    mov   ecx, PM_HZ
    mul   rcx
    div   r8
    mov   rbx, rax                      ; what they are by the TSC
    sub   rax, r12
    add   rax, PM_HZ / 1000             ; a millisecond, in which others had the core
    cmp   rax, PM_HZ / 500
    check be
    say   "ticks:"
    ticks PIT, 40
    ticks RTC, 32
    ticks TIMER, 40
    say   {13, 10}
    pass

say_number:
    push  rbx
    say   " "
    call  print_decimal
    pop   rbx
    ret

; The CMOS clock's next interrupt waits for the read of register C.
read_cmos:
    cmp   dword [interrupt_vector], RTC
    jne   .end
.read:
    mov   al, 0x0c
    out   0x70, al
    in    al, 0x71
.end:
    ret

; ah to register al.
cmos_put:
    out   0x70, al
    mov   al, ah
    out   0x71, al
    ret

[section .data]
pm_port: dw 0
