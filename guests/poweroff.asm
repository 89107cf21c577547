; ACPI: the tables are sound, the PM timer counts, and S5 switches the machine off.
bits 64
%include "guests/lib.inc"
%include "guests/acpi.inc"

begin:
    begin64
    guest "poweroff: ACPI tables, PM timer, S5"
    call  find_fadt

    ; ACPI mode: SCI_EN is on already, or comes on by the SMI command.
    mov   dx, [rbx + 64]                ; PM1a control
    in    ax, dx
    test  al, 1
    jnz   .acpi
    mov   dx, [rbx + 48]
    mov   al, [rbx + 52]
    out   dx, al
    mov   dx, [rbx + 64]
    mov   ecx, 100000
.enable:
    in    ax, dx
    test  al, 1
    jnz   .acpi
    loop  .enable
.acpi:
    test  al, 1
    check nz

    ; The PM timer advances.
    mov   dx, [rbx + 76]
    in    eax, dx
    mov   r8d, eax
    mov   ecx, 100000
.timer:
    in    eax, dx
    sub   eax, r8d
    and   eax, 0xffffff
    cmp   eax, 100
    ja    .advanced
    loop  .timer
.advanced:
    check a

    ; \_S5 in the DSDT: a package whose first element is SLP_TYPa.
    mov   edi, [rbx + 40]
    mov   ecx, [rdi + 4]
    mov   esi, edi
    push  rcx
    call  sums_to_zero
    check z
    pop   rcx
.s5:
    cmp   dword [rdi], "_S5_"
    je    .package
    inc   edi
    loop  .s5
    check e
.package:
    equal byte [rdi + 4], 0x12
    add   edi, 7                        ; op, length, number of elements
    xor   eax, eax
    cmp   byte [rdi], 0                 ; ZeroOp
    je    .type
    mov   al, 1
    cmp   byte [rdi], 1                 ; OneOp
    je    .type
    equal byte [rdi], 0x0a              ; BytePrefix
    mov   al, [rdi + 1]
.type:
    shl   eax, 10
    or    eax, 1 << 13
    mov   r8d, eax
    say   {"pass", 13, 10}
    mov   dx, COM1 + 5
.drain:
    in    al, dx
    test  al, 0x40
    jz    .drain
    mov   dx, [rbx + 64]
    in    ax, dx
    and   eax, 0xc3ff
    or    eax, r8d
    out   dx, ax
    mov   ecx, 100000000
.off:
    pause
    loop  .off
    check e                             ; still here
    mov   eax, 1
    jmp   exit
