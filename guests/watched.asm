; For whoever looks at it from outside: known values in registers and memory, a count that goes on while it runs, and a word
; for each NMI, interrupt, key, break at the serial port and press of the power button. It never ends.
bits 64
%include "guests/lib.inc"

PLACE       equ FREE                    ; the count, and 16 bytes on, text
TEXT_AT     equ PLACE + 16
IOAPIC      equ 0xfec00000
KEYBOARD    equ 0x61                    ; vectors
SERIAL      equ 0x64
SCI         equ 0x69
TIMER       equ 0x70

begin:
    begin64
    guest "watched: known values for whoever looks"
    mov   qword [exception_hook], nmi_came
    mov   qword [interrupt_hook], interrupt_came
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x3e0], 0xa      ; a timer that does not fire for minutes, by 128
    mov   dword [rsi + 0x320], TIMER
    mov   dword [rsi + 0x380], 0xffffffff
    mov   esi, known
    mov   edi, TEXT_AT
    mov   ecx, known_end - known
    rep   movsb
    call  listen
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

; To its keyboard, breaks, and the power button, which is ACPI's.
listen:
    mov   edi, IOAPIC
    mov   dword [rdi], 0x10 + 2 * 1
    mov   dword [rdi + 16], KEYBOARD
    mov   dword [rdi], 0x10 + 2 * 4
    mov   dword [rdi + 16], SERIAL
    mov   dx, 0x3f9
    mov   al, 4                         ; receiver line status
    out   dx, al
    mov   dx, 0x3fc
    mov   al, 0x0b                      ; DTR, RTS, OUT2
    out   dx, al
    call  find_fadt
    mov   edi, IOAPIC
    movzx eax, word [rbx + 46]          ; SCI_INT
    lea   eax, [rax + rax + 0x10]
    mov   [rdi], eax
    mov   dword [rdi + 16], 1 << 15 | SCI  ; level-triggered
    mov   edx, [rbx + 48]               ; SMI_CMD
    mov   al, [rbx + 52]                ; ACPI_ENABLE
    out   dx, al
    mov   edx, [rbx + 56]               ; PM1a_EVT_BLK
    mov   [pm1_status], edx
    add   edx, 2
    mov   ax, 1 << 8                    ; PWRBTN_EN
    out   dx, ax
    ret

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
    mov   ebx, [interrupt_vector]
    cmp   ebx, KEYBOARD
    je    .key
    cmp   ebx, SERIAL
    je    .serial
    cmp   ebx, SCI
    je    .button
    say   {"interrupt "}
.number:
    call  print_hex
    say   {13, 10}
    pop   rdi
    pop   rbx
    pop   rsi
    ret
.key:
    in    al, 0x60
    movzx ebx, al
    say   {"key "}
    jmp   .number
.serial:
    mov   dx, 0x3fd                     ; before anything is said: reading it clears the break
    in    al, dx
    movzx ebx, al
    mov   dx, 0x3f8
    in    al, dx
    say   {"line status "}
    jmp   .number
.button:
    mov   edx, [pm1_status]
    in    ax, dx
    movzx ebx, ax
    out   dx, ax
    say   {"power button: PM1 status "}
    jmp   .number

%include "guests/acpi.inc"

section .data
pm1_status:
    dd    0
known:
    db    "known to all", 0, 1, 2, 0xff
known_end:
