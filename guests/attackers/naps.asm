; Sends itself an NMI and resets its machine in the handler: each start and each reset is a line that it causes.
bits 16
org 0x8000

begin:
    cli
    xor   ax, ax
    mov   ds, ax
    mov   word [2 * 4], wakes
    mov   word [2 * 4 + 2], ax
    mov   ecx, 0x1b                     ; x2APIC mode
    rdmsr
    or    eax, 0xc00
    wrmsr
    xor   edx, edx
    mov   ecx, 0x80f
    mov   eax, 0x1ff
    wrmsr
    mov   ecx, 0x830
    mov   eax, 0x44400                  ; an NMI to itself
    wrmsr
    hlt
    jmp   $

wakes:
    mov   dx, 0xcf9
    mov   al, 6
    out   dx, al
    jmp   $
