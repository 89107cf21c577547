; A PC's devices behind their ports: 8259A, 8254, MC146818, i8042, PCI configuration, POST, 16550 loopback.
bits 64
%include "guests/lib.inc"

; Reads port %1 into al.
%macro get 1
    mov   dx, %1
    in    al, dx
%endmacro

%macro set 2
    mov   al, %2
    mov   dx, %1
    out   dx, al
%endmacro

%macro cmos 1
    mov   al, %1
    out   0x70, al
    in    al, 0x71
%endmacro

begin:
    begin64
    guest "port: PIC, PIT, RTC, i8042, PCI, POST, UART"

    ; 8259A: masks read back; nothing requested or in service; ELCR holds what a board may set, not IRQ 0, 1, 2, 8, 13.
    set   0x21, 0xa5
    get   0x21
    equal al, 0xa5
    set   0xa1, 0x5a
    get   0xa1
    equal al, 0x5a
    set   0x21, 0xff
    set   0xa1, 0xff
    set   0x20, 0x0b
    get   0x20
    equal al, 0
    get   0x4d0
    mov   bl, al
    set   0x4d0, 0x20
    get   0x4d0
    equal al, 0x20
    set   0x4d0, 0
    get   0x4d0
    equal al, 0
    set   0x4d0, bl

    ; IRQ 0 of the 8254 becomes request, then in service, and OCW2 ends it.
    set   0x43, 0x34                    ; channel 0, both bytes, mode 2
    set   0x40, 0x00
    set   0x40, 0x10
    set   0x20, 0x0a
    mov   ecx, 1000000
.request:
    in    al, 0x20
    test  al, 1
    jnz   .requested
    loop  .request
.requested:
    test  al, 1
    check nz
    mov   qword [interrupt_hook], in_service
    set   0x21, 0xfe
    sti
    mov   ecx, 1000000
.interrupt:
    cmp   dword [counts + 0x20 * 4], 2
    jae   .interrupted
    pause
    loop  .interrupt
.interrupted:
    cli
    set   0x21, 0xff
    cmp   dword [counts + 0x20 * 4], 2
    check ae
    mov   al, [isr]
    equal al, 1
    mov   qword [interrupt_hook], 0

    ; 8254: a latched count stays while the counter goes on; read-back gives status and count.
    set   0x43, 0x34
    set   0x40, 0xff
    set   0x40, 0xff
    mov   ecx, 2000
.spin:
    in    al, 0x40
    in    al, 0x40
    loop  .spin
    set   0x43, 0x00
    in    al, 0x40
    mov   bl, al
    in    al, 0x40
    mov   bh, al
    cmp   bx, 0xffff
    check ne
    set   0x43, 0xc2                    ; read-back: status and count of channel 0
    in    al, 0x40
    and   al, 0x3f
    equal al, 0x34
    in    al, 0x40
    mov   cl, al
    in    al, 0x40
    mov   ch, al
    cmp   cx, bx
    check be

    ; Channel 2 counts while port 0x61 gates it, and its output shows in bit 5.
    get   0x61
    and   al, 0xfc
    out   0x61, al
    set   0x43, 0xb0                    ; channel 2, mode 0
    set   0x42, 0x00
    set   0x42, 0x04
    get   0x61
    test  al, 0x20
    check z
    or    al, 1
    and   al, 0xfd
    out   0x61, al
    mov   ecx, 1000000
.gate:
    in    al, 0x61
    test  al, 0x20
    jnz   .counted
    loop  .gate
.counted:
    test  al, 0x20
    check nz
    and   al, 0xfc
    out   0x61, al

    ; MC146818: valid RAM and time, a byte of CMOS that holds, the update flag going up and down.
    cmos  0x0d
    test  al, 0x80
    check nz
    cmos  0x0b
    mov   bl, al
    cmos  8
    test  bl, 4
    jnz   .binary
    cmp   al, 0x12
    check be
    jmp   .month
.binary:
    cmp   al, 12
    check be
.month:
    test  al, al
    check nz
    cmos  0x50
    mov   bl, al
    mov   al, 0x50
    out   0x70, al
    mov   al, 0xc3
    out   0x71, al
    cmos  0x50
    equal al, 0xc3
    mov   al, bl
    out   0x71, al

    ; i8042: self-test, configuration byte, output port with the processor's reset line high and A20 on.
    call  i8042_drain
    mov   ah, 0xaa
    call  i8042_command
    call  i8042_answer
    equal al, 0x55
    mov   ah, 0x20
    call  i8042_command
    call  i8042_answer
    mov   ah, 0xd0
    call  i8042_command
    call  i8042_answer
    and   al, 3
    equal al, 3
    mov   ah, 0xab                      ; keyboard interface test
    call  i8042_command
    call  i8042_answer
    equal al, 0

    ; PCI mechanism 1: the address reads back, there is a host bridge at 0:0.0 and nothing at 0:31.7 of bus 255.
    mov   dx, 0xcf8
    mov   eax, 0x80000000
    out   dx, eax
    in    eax, dx
    equal eax, 0x80000000
    mov   dx, 0xcfc
    in    eax, dx
    cmp   ax, 0xffff
    check ne
    mov   ebx, eax
    mov   dx, 0xcfe
    in    ax, dx
    shr   ebx, 16
    equal ax, bx
    mov   dx, 0xcf8
    mov   eax, 0x80000008
    out   dx, eax
    mov   dx, 0xcff
    in    al, dx
    equal al, 6                         ; class: a bridge
    mov   dx, 0xcf8
    mov   eax, 0x80ffff00
    out   dx, eax
    mov   dx, 0xcfc
    in    eax, dx
    equal eax, 0xffffffff

    ; POST codes and delays go nowhere and cost nothing.
    mov   al, 0x42
    out   0x80, al
    out   0xed, al

    ; 16550A: FIFO shown, scratch register, loopback of data and of modem lines, line status.
    mov   dx, COM1 + 5
.drain:
    in    al, dx
    test  al, 0x40
    jz    .drain
    set   COM1 + 7, 0x5a
    get   COM1 + 7
    equal al, 0x5a
    get   COM1 + 2
    and   al, 0xc0
    equal al, 0xc0
    set   COM1 + 4, 0x10
    get   COM1 + 6
    and   al, 0xf0
    mov   bl, al
    set   COM1 + 4, 0x1f
    get   COM1 + 6
    and   al, 0xf0
    mov   bh, al
    set   COM1 + 4, 0x1b
    set   COM1, 0xa7
    mov   ecx, 1000000
    mov   dx, COM1 + 5
.echo:
    in    al, dx
    test  al, 1
    jnz   .echoed
    loop  .echo
.echoed:
    mov   cl, al
    get   COM1
    mov   ch, al
    set   COM1 + 4, 3
    equal bx, 0xf000
    test  cl, 1
    check nz
    equal ch, 0xa7
    pass

; In an interrupt: the master's in-service register.
in_service:
    mov   al, 0x0b
    out   0x20, al
    in    al, 0x20
    mov   [isr], al
    ret

i8042_command:
    in    al, 0x64
    test  al, 2
    jnz   i8042_command
    mov   al, ah
    out   0x64, al
    ret

; al = the answer; all ones if none comes.
i8042_answer:
    mov   ecx, 1000000
.wait:
    in    al, 0x64
    test  al, 1
    jnz   .take
    loop  .wait
    mov   al, 0xff
    ret
.take:
    in    al, 0x60
    ret

i8042_drain:
    in    al, 0x64
    test  al, 1
    jz    .end
    in    al, 0x60
    jmp   i8042_drain
.end:
    ret

[section .data]
isr: db 0
