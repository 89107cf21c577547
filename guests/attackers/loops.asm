; Does one thing for ever, as fast as it goes: which one, a test says by its number in `ways`.
bits 64
%include "guests/lib.inc"

begin:
    begin64
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   ebx, [way]
    sti                                 ; Bochs's SVM loses exits for interrupts while they are off
    jmp   [ways + rbx * 8]

pauses:
    pause
    jmp   pauses

asks_cpuid:
    xor   eax, eax
    cpuid
    jmp   asks_cpuid

ports:
    in    al, 0x40
    mov   dx, 0x608                     ; the PM timer
    in    eax, dx
    out   0x80, al
    jmp   ports

memory:
    mov   eax, [rsi + 0x30]
    mov   edx, 0xfec00000
    mov   eax, [rdx + 0x10]
    mov   edx, 0xd0000000               ; nobody answers there
    mov   eax, [rdx]
    jmp   memory

flushes:
    mov   rax, cr3
    mov   cr3, rax
    invlpg [rsi]
    wbinvd
    jmp   flushes

moves_its_apic:
    mov   ecx, 0x1b
    rdmsr
    xor   eax, 0x1000
    wrmsr
    jmp   moves_its_apic

talks:
    mov   dx, 0x3f8
    mov   al, 'x'
    out   dx, al
    jmp   talks

says_lines:
    mov   dx, 0x3f8
    mov   al, 'x'
    out   dx, al
    mov   al, 10
    out   dx, al
    jmp   says_lines

wakes_itself:
    mov   dword [rsi + 0x300], 0x44040  ; to itself, vector 0x40
    hlt
    jmp   wakes_itself

ticks_of_the_8254:
    mov   al, 0x34
    out   0x43, al
    mov   al, 24
    out   0x40, al
    xor   eax, eax
    out   0x40, al
    mov   al, 0xfe
    out   0x21, al
halts:
    sti
    hlt
    jmp   halts

; The clock's periodic interrupt, 8192 a second: register C is read for the next one.
ticks_of_the_clock:
    mov   qword [interrupt_hook], .tick
    mov   al, 0x0a
    out   0x70, al
    mov   al, 0x23
    out   0x71, al
    mov   al, 0x0b
    out   0x70, al
    mov   al, 0x42
    out   0x71, al
    mov   al, 0x0c
    out   0x70, al
    mov   al, 0xfb
    out   0x21, al
    mov   al, 0xfe
    out   0xa1, al
    jmp   halts
.tick:
    mov   al, 0x0c
    out   0x70, al
    in    al, 0x71
    ret

crashes:
    lidt  [.nothing]
    int3
.nothing:
    dw    0
    dq    0

; NMIs at LINT0, each of which is another's reset: lines that a guest causes.
resets_by_nmi:
    mov   word [IDT + 2 * 16], .reset
    mov   dword [rsi + 0x350], 0x400
    in    al, 0x61
    mov   dword [rsi + 0x300], 0x44400  ; an NMI to itself
    jmp   $
.reset:
    mov   dx, 0xcf9
    mov   al, 6
    out   dx, al
    jmp   $

; The test device takes a page away until the next access.
hides_pages:
    mov   eax, 0x40000
    out   0xe4, eax
    mov   ebx, [rax]
    jmp   hides_pages

[section .data]
align 8
ways:
    dq pauses, asks_cpuid, ports, memory, flushes, moves_its_apic, talks, says_lines, wakes_itself, ticks_of_the_8254
    dq ticks_of_the_clock, crashes, resets_by_nmi, hides_pages
    db    "way "                        ; for a test to find and change
way: dd 0
