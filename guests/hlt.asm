; HLT until an interrupt of each timer of a PC, and how long that took by the TSC. Everything is held against ten
; milliseconds of the 8254, which is polled first.
bits 64
%include "guests/lib.inc"
%include "guests/acpi.inc"

PIT_10MS equ 11932                      ; of 1193182 Hz
SELECT   equ 0xfec00000
WINDOW   equ 0xfec00010

; Waits with HLT until vector %1 has come %2 times since `start_clock`.
%macro wait_for 2
    mov   ebx, %1
    mov   ecx, %2
    call  sleep
%endmacro

; The last interrupt came %1 / %2 times ten milliseconds after start_clock, give or take a twentieth.
%macro took 2
    mov   eax, %1
    mov   ecx, %2
    call  compare_time
    check b
%endmacro

; Writes eax to register %1 of the local APIC, or of the I/O APIC.
%macro apic 2
    mov   dword [r15 + %1], %2
%endmacro

%macro ioapic 2
    mov   dword [r14], %1
    mov   dword [r14 + 0x10], %2
%endmacro

%macro rtc 2
    mov   al, %1
    out   0x70, al
    mov   al, %2
    out   0x71, al
%endmacro

begin:
    begin64
    guest "hlt: woken by PIT, RTC and APIC timers on time"
    mov   r14d, SELECT
    mov   r15d, APIC
    call  find_fadt
    mov   ax, [rbx + 76]
    mov   [pm_timer], ax
    apic  0xf0, 0x1ff
    apic  0x3e0, 0xb                    ; the timer counts bus ticks
    call  calibrate

    ; The PM timer's 3579545 Hz against the 8254's.
    mov   eax, [pm_ticks]
    mov   ecx, 35795
    call  within
    check b

    ; 8254 through the 8259A: one-shot, then ten periods.
    apic  0x350, 0x700                  ; LINT0: ExtINT
    mov   al, 0xfe
    out   0x21, al
    call  start_clock
    mov   al, 0x30
    call  start_pit
    wait_for 0x20, 1
    took  1, 1
    say   {"PIT one-shot through the PIC", 13, 10}
    call  start_clock
    mov   al, 0x34
    call  start_pit
    wait_for 0x20, 10
    took  10, 1
    mov   al, 0x30                      ; a control word alone stops it
    out   0x43, al
    say   {"PIT periodic through the PIC", 13, 10}

    ; RTC through the second 8259A: 1024 Hz, 64 times; then the end of two updates, one second apart.
    mov   al, 0xfb
    out   0x21, al
    mov   al, 0xfe
    out   0xa1, al
    mov   qword [interrupt_hook], acknowledge_rtc
    mov   al, 0x0b
    out   0x70, al
    in    al, 0x71
    mov   bl, al
    rtc   0x0a, 0x26
    or    bl, 0x40
    rtc   0x0b, bl
    call  acknowledge_rtc
    wait_for 0x28, 1                    ; from one on, as its phase is unknown
    call  start_clock
    wait_for 0x28, 64
    took  25, 4
    say   {"RTC periodic", 13, 10}
    and   bl, 0x8f
    or    bl, 0x10
    mov   [rtc_control], bl
    rtc   0x0b, [rtc_control]
    call  acknowledge_rtc
    call  start_clock
    wait_for 0x28, 2                    ; the PIC may remember an edge of before
    call  start_clock
    wait_for 0x28, 1
    took  100, 1
    say   {"RTC update", 13, 10}

    ; The alarm at every second.
    and   byte [rtc_control], 0x8f
    or    byte [rtc_control], 0x20
    rtc   1, 0xff
    rtc   3, 0xff
    rtc   5, 0xff
    rtc   0x0b, [rtc_control]
    call  acknowledge_rtc
    call  start_clock
    wait_for 0x28, 2                    ; the PIC may remember an edge of before
    call  start_clock
    wait_for 0x28, 1
    took  100, 1
    and   byte [rtc_control], 0x8f
    rtc   0x0b, [rtc_control]
    mov   qword [interrupt_hook], 0
    mov   al, 0xff
    out   0x21, al
    out   0xa1, al
    apic  0x350, 0x10000
    say   {"RTC alarm", 13, 10}

    ; 8254 through the I/O APIC, at pin 0 or, as on most PCs, 2; then the RTC at pin 8.
    mov   eax, [r15 + 0x20]
    and   eax, 0xff000000
    ioapic 0x11, eax
    ioapic 0x15, eax
    ioapic 0x21, eax
    ioapic 0x10, 0x40
    ioapic 0x14, 0x40
    call  start_clock
    mov   al, 0x30
    call  start_pit
    wait_for 0x40, 1
    took  1, 1
    call  start_clock
    mov   al, 0x34
    call  start_pit
    wait_for 0x40, 10
    took  10, 1
    mov   al, 0x30
    out   0x43, al
    ioapic 0x10, 0x10000
    ioapic 0x14, 0x10000
    say   {"PIT through the I/O APIC", 13, 10}
    mov   qword [interrupt_hook], acknowledge_rtc
    ioapic 0x20, 0x48
    or    byte [rtc_control], 0x40
    rtc   0x0b, [rtc_control]
    call  acknowledge_rtc
    call  start_clock
    wait_for 0x48, 1
    call  start_clock
    wait_for 0x48, 64
    took  25, 4
    and   byte [rtc_control], 0x8f
    rtc   0x0b, [rtc_control]
    ioapic 0x20, 0x10000
    mov   qword [interrupt_hook], 0
    say   {"RTC through the I/O APIC", 13, 10}

    ; The local APIC's timer: one-shot, periodic, with another divisor.
    apic  0x320, 0x50
    call  start_clock
    mov   eax, [apic_ticks]
    apic  0x380, eax
    wait_for 0x50, 1
    took  1, 1
    equal dword [r15 + 0x390], 0        ; the count is over
    apic  0x320, 0x20051
    call  start_clock
    mov   eax, [apic_ticks]
    apic  0x380, eax
    wait_for 0x51, 10
    took  10, 1
    apic  0x320, 0x50
    apic  0x3e0, 0x3                    ; divided by 16
    call  start_clock
    mov   eax, [apic_ticks]
    shr   eax, 4
    apic  0x380, eax
    wait_for 0x50, 1
    took  1, 1
    apic  0x380, 0
    apic  0x320, 0x10000
    say   {"APIC timer one-shot and periodic", 13, 10}

    ; TSC deadline: in time, never early, at once where it is over, and not at all for 0.
    mov   eax, 1
    cpuid
    bt    ecx, 24
    jnc   .no_deadline
    apic  0x320, 0x40052
    mfence
    call  start_clock
    mov   rax, [started]
    add   rax, [tsc_ticks]
    mov   r13, rax
    mov   rdx, rax
    shr   rdx, 32
    mov   ecx, 0x6e0
    wrmsr
    rdmsr
    equal eax, r13d
    wait_for 0x52, 1
    took  1, 1
    cmp   [interrupt_tsc], r13
    check ae
    under_hypervisor
    jnc   .bochs                        ; whose own timer leaves the register as it was
    mov   ecx, 0x6e0
    rdmsr
    equal eax, 0                        ; disarmed by its own interrupt
.bochs:
    call  start_clock
    mov   eax, 1
    xor   edx, edx
    mov   ecx, 0x6e0
    wrmsr
    wait_for 0x52, 1
    mov   rax, [interrupt_tsc]
    sub   rax, [started]
    cmp   rax, [tsc_ticks]
    check b
    call  start_clock
    rdtsc
    add   eax, 100000
    adc   edx, 0
    mov   ecx, 0x6e0
    wrmsr
    xor   eax, eax
    xor   edx, edx
    wrmsr
    call  calibrate
    equal dword [counts + 0x52 * 4], 0
    say   {"TSC deadline", 13, 10}
.no_deadline:

    ; HLT with an interrupt that already waits falls through behind STI's shadow, not before.
    apic  0x320, 0x53
    call  start_clock
    mov   eax, 16
    apic  0x380, eax
.waits:
    test  dword [r15 + 0x220], 1 << 19  ; IRR, vector 0x53
    jz    .waits
    equal dword [counts + 0x53 * 4], 0
    sti
    hlt
    cli
    equal dword [counts + 0x53 * 4], 1
    pass

; Starts the 8254's channel 0 with ten milliseconds in mode al.
start_pit:
    out   0x43, al
    mov   al, PIT_10MS & 0xff
    out   0x40, al
    mov   al, PIT_10MS >> 8
    out   0x40, al
    ret

start_clock:
    mov   edi, counts
    mov   ecx, 256
    xor   eax, eax
    rep   stosd
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    mov   [started], rax
    ret

; Sleeps until counts[rbx] is ecx.
sleep:
    cli
    cmp   [counts + rbx * 4], ecx
    jae   .end
    sti
    hlt
    jmp   sleep
.end:
    ret

; How long ago started was at the last interrupt, against eax / ecx times ten milliseconds.
compare_time:
    mul   qword [tsc_ticks]
    div   rcx
    mov   rcx, rax
    mov   rax, [interrupt_tsc]
    sub   rax, [started]

; CF if rax is within a twentieth of rcx. Leaves both; the difference is in rdx.
within:
    mov   rdx, rax
    sub   rdx, rcx
    jns   .positive
    neg   rdx
.positive:
    imul  rdx, 20
    cmp   rdx, rcx
    ret

acknowledge_rtc:
    mov   al, 0x0c
    out   0x70, al
    in    al, 0x71
    ret

; Ten milliseconds of the 8254's channel 2, in ticks of the TSC, of the APIC's timer and of the PM timer.
calibrate:
    in    al, 0x61
    and   al, 0xfc
    or    al, 1
    out   0x61, al
    mov   dword [r15 + 0x320], 0x10000
    mov   al, 0xb0
    out   0x43, al
    mov   al, PIT_10MS & 0xff
    out   0x42, al
    mov   al, PIT_10MS >> 8
    out   0x42, al
    mov   dword [r15 + 0x380], 0xffffffff
    mov   dx, [pm_timer]
    in    eax, dx
    mov   r9d, eax
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    mov   r8, rax
.wait:
    in    al, 0x61
    test  al, 0x20
    jz    .wait
    rdtsc
    shl   rdx, 32
    or    rax, rdx
    sub   rax, r8
    mov   [tsc_ticks], rax
    mov   dx, [pm_timer]
    in    eax, dx
    sub   eax, r9d
    and   eax, 0xffffff
    mov   [pm_ticks], eax
    mov   eax, 0xffffffff
    sub   eax, [r15 + 0x390]
    mov   [apic_ticks], eax
    mov   dword [r15 + 0x380], 0
    ret

[section .data]
align 8
started:     dq 0
tsc_ticks:   dq 0
apic_ticks:  dd 0
pm_ticks:    dd 0
pm_timer:    dw 0
rtc_control: db 0
