; Resets its machine for ever, by processor 0, while the others spin: whichever leaves last has the memory cleared on its time.
bits 64
%include "guests/lib.inc"

AP_CODE equ 0x20000

begin:
    begin64
    mov   word [AP_CODE], 0xfeeb        ; jmp $
    mov   esi, APIC
    mov   dword [rsi + 0xf0], 0x1ff
    mov   dword [rsi + 0x300], 0xc4500  ; INIT, then SIPI to all others
    mov   dword [rsi + 0x300], 0xc4600 | AP_CODE >> 12
    mov   dx, 0xcf9
    mov   al, 6
    out   dx, al
    jmp   $
