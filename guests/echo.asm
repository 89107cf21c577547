; What is typed at the serial port comes back in square brackets. `q` ends the VM, `f` writes 4000 bytes, looking before
; each whether the transmitter is empty, `o` as many without looking; then `.` and a line end.
bits 16

COM1 equ 0x3f8

start:
    mov ax, cs
    mov ds, ax
    mov al, '>'
    call put
.next:
    mov dx, COM1 + 5
    in al, dx
    test al, 1
    jz .next
    mov dx, COM1
    in al, dx
    cmp al, 'q'
    je .quit
    cmp al, 'f'
    je .flood
    cmp al, 'o'
    je .overrun
    mov bl, al
    mov al, '['
    call put
    mov al, bl
    call put
    mov al, ']'
    call put
    jmp .next

.flood:
    mov cx, 4000
.more:
    mov al, 'x'
    call put
    loop .more
.end:
    mov al, '.'
    call put
    mov al, 13
    call put
    mov al, 10
    call put
    jmp .next

.overrun:
    mov cx, 4000
    mov dx, COM1
    mov al, 'y'
.again:
    out dx, al
    loop .again
    jmp .end

.quit:
    mov al, 0
    out 0xf4, al
    hlt

put:
    push ax
    mov dx, COM1 + 5
.busy:
    in al, dx
    test al, 0x20
    jz .busy
    mov dx, COM1
    pop ax
    out dx, al
    ret
