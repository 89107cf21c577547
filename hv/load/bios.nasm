; What a PC's firmware leaves behind for real mode: handlers of interrupts, in the extended BIOS data area. Flat, at BIOS_CODE of
; that segment; begins with the offsets of the handlers, in the order of enum bios_handler.
bits 16
org BIOS_CODE

DATA        equ 0x400                   ; the BIOS data area
TICKS       equ DATA + 0x6c             ; a double word: since midnight
MIDNIGHT    equ DATA + 0x70             ; a byte: it has passed
TICKS_A_DAY equ 0x1800b0
EOI         equ 0x20
MASTER      equ 0x20
SLAVE       equ 0xa0
KEYBOARD    equ 0x60

    dw    absent, nothing, tick, key, end_master, end_slave, end_aux

; A function that this BIOS lacks.
absent:
    push  bp
    mov   bp, sp
    or    byte [bp + 6], 1
    pop   bp
    mov   ah, 0x86
nothing:
    iret

; Irq 0, 18.2 times a second.
tick:
    push  ds
    push  dx
    push  ax
    xor   ax, ax
    mov   ds, ax
    inc   word [TICKS]
    jnz   .day
    inc   word [TICKS + 2]
.day:
    cmp   word [TICKS + 2], TICKS_A_DAY >> 16
    jb    .told
    cmp   word [TICKS], TICKS_A_DAY & 0xffff
    jb    .told
    mov   [TICKS], ax
    mov   [TICKS + 2], ax
    mov   byte [MIDNIGHT], 1
.told:
    int   0x1c
    mov   al, EOI
    out   MASTER, al
    pop   ax
    pop   dx
    pop   ds
    iret

; Irq 1: a key's code is read, or no other would come.
key:
    push  ax
    in    al, KEYBOARD
    jmp   end_master.end

end_aux:
    push  ax
    in    al, KEYBOARD
    jmp   end_slave.end

end_master:
    push  ax
.end:
    mov   al, EOI
    out   MASTER, al
    pop   ax
    iret

end_slave:
    push  ax
.end:
    mov   al, EOI
    out   SLAVE, al
    out   MASTER, al
    pop   ax
    iret
