; The ways to reset a PC: each starts this guest again, which a byte of CMOS RAM remembers. i8042, 0xCF9, port 0x92's
; quick one, ACPI's reset register where it is another.
bits 64
%include "guests/lib.inc"
%include "guests/acpi.inc"

STAGE equ 0x51                          ; in CMOS RAM, with a mark before it
MARK  equ 0x4b

%macro step_to 1
    mov   al, STAGE
    out   0x70, al
    mov   al, %1
    out   0x71, al
%endmacro

begin:
    begin64
    mov   al, STAGE - 1
    out   0x70, al
    in    al, 0x71
    cmp   al, MARK
    je    .again
    mov   al, MARK
    out   0x71, al
    step_to 0
.again:
    guest "reset: i8042, 0xCF9, ACPI"
    mov   al, STAGE
    out   0x70, al
    in    al, 0x71
    cmp   al, 0
    je    .keyboard
    cmp   al, 1
    je    .chipset
    cmp   al, 2
    je    .acpi
    mov   al, STAGE - 1
    out   0x70, al
    xor   eax, eax
    out   0x71, al
    pass

.keyboard:
    step_to 1
    in    al, 0x64
    test  al, 2
    jnz   .keyboard
    mov   al, 0xfe
    out   0x64, al
    jmp   .wait

.chipset:
    step_to 2
    mov   dx, 0xcf9
    mov   al, 2
    out   dx, al
    mov   al, 6
    out   dx, al
    jmp   .wait

.acpi:
    step_to 3
    call  find_fadt
    cmp   dword [rbx + 4], 129
    jb    .none
    bt    dword [rbx + 112], 10         ; RESET_REG_SUP
    jnc   .none
    equal byte [rbx + 116], 1           ; in I/O space
    mov   dx, [rbx + 120]
    mov   al, [rbx + 128]
    out   dx, al
    jmp   .wait
.none:
    say   {"no reset register", 13, 10}
    jmp   .again

.wait:
    mov   ecx, 10000000
.spin:
    pause
    loop  .spin
    say   {"no reset", 13, 10}
    mov   eax, 1
    jmp   exit
