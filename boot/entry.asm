; The front door: multiboot2 header, the way from 32-bit protected mode to 64-bit C, and the same way for the other cores.
; On UEFI too Keel is entered here, in 32-bit mode and after ExitBootServices (no tag asks for anything else): GRUB's
; relocator and boot/efi/ both leave the firmware and switch the mode, so there is one entry and one state to begin from.
; The image may lie at any border of 2 MiB below 4 GiB: firmware often uses what is at 2 MiB. EBP holds, until long mode is
; on, how far it lies above its link address.
; POST codes on port 0x80 say how far it got: 10 entered, 11 boot loader checked, 12 long mode there, 13 paging on,
; 14 in 64-bit code, 15 code and constants expanded; C goes on from 20.

MULTIBOOT2_MAGIC    equ 0xe85250d6              ; Multiboot2 specification, "Header layout"
MULTIBOOT2_LOADED   equ 0x36d76289              ; "Machine state": what EAX holds

IMAGE_PAGES         equ 4                       ; more pages of 2 MiB than the image has

%include "x86.inc"
%include "boot/place.inc"

%macro post 1
    mov al, %1
    out 0x80, al
%endmacro

section .multiboot
align 8
header:
    dd MULTIBOOT2_MAGIC, 0, header_end - header
    dd -(MULTIBOOT2_MAGIC + header_end - header)
align 8
    dw 6, 1                                     ; modules on page borders
    dd 8
align 8
    dw 10, 1                                    ; relocatable; a loader that knows no such thing loads it at 2 MiB
    dd 24
    dd 0x200000, 0xffffffff, 0x200000           ; from, to, alignment
    dd 1                                        ; as low as possible
align 8
    dw 0, 0
    dd 8
header_end:

section .text
bits 32
global entry32
entry32:
    mov edx, eax
    post 0x10
    cld
    xor ebp, ebp
    mov esi, PHYS(text_loader)                  ; from an unknown loader only at the link address
    cmp edx, MULTIBOOT2_LOADED
    jne stop
    lea esp, [ebx + 8]                          ; the reserved word of the information is stack enough for one call
    call .here
.here:
    pop ebp
    sub ebp, PHYS(.here)
    lea esp, [HERE(boot_stack_top)]
    mov edi, ebx                                ; the information structure
    sub [HERE(image_base)], ebp
    sbb dword [HERE(image_base) + 4], 0
    post 0x11
    lea esi, [HERE(text_long_mode)]
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb stop
    mov eax, 0x80000001
    cpuid
    bt edx, 29
    jnc stop
    lea esi, [HERE(text_nx)]
    bt edx, 20
    jnc stop
    post 0x12

    ; Boot page tables in 2 MiB pages: the low 4 GiB where they are, and the image at its link address.
    lea eax, [HERE(boot_directories) + 3]
    lea ebx, [HERE(boot_pdpt_low)]
    mov ecx, 4
.directory:
    mov [ebx], eax
    add eax, 0x1000
    add ebx, 8
    loop .directory
    mov [HERE(boot_pdpt_high) + 510 * 8], eax   ; the directory behind those four
    lea eax, [HERE(boot_pdpt_low) + 3]
    mov [HERE(boot_pml4)], eax
    lea eax, [HERE(boot_pdpt_high) + 3]
    mov [HERE(boot_pml4) + 511 * 8], eax
    mov eax, 0x83                               ; present, writable, 2 MiB
.fill:
    mov [HERE(boot_directories) + ecx * 8], eax
    add eax, 0x200000
    inc ecx
    cmp ecx, 4 * 512
    jb .fill
    lea eax, [ebp + 0x200083]
    lea ebx, [HERE(boot_directories) + (4 * 512 + 1) * 8]
    mov ecx, IMAGE_PAGES
.image:
    mov [ebx], eax
    add eax, 0x200000
    add ebx, 8
    loop .image

    call paging_on
    post 0x13
    call load_gdt
    push 0x08
    lea eax, [HERE(entry64_low)]
    push eax
    retf

load_gdt:
    lea eax, [HERE(boot_gdt)]
    push eax
    push (5 * 8 - 1) << 16
    lgdt [esp + 2]
    add esp, 8
    ret

; Prints the text at ESI where anybody may look, and stops: COM1, debug port 0xE9, and the top line of a text screen. Its
; bytes mean the same in 32-bit and in 64-bit mode.
stop:
    mov dx, 0x3f8 + 3                           ; 115200 8N1
    mov al, 0x80
    out dx, al
    mov dx, 0x3f8
    mov al, 1
    out dx, al
    mov dx, 0x3f8 + 1
    mov al, 0
    out dx, al
    mov dx, 0x3f8 + 3
    mov al, 3
    out dx, al
    mov ebx, 0xb8000
.next:
    lodsb
    test al, al
    jz .halt
    mov [ebx], al
    mov byte [ebx + 1], 0x4f
    add ebx, 2
    out 0xe9, al
    mov ah, al
    mov ecx, 100000                             ; a UART that is not there never gets ready
.wait:
    mov dx, 0x3f8 + 5
    in al, dx
    test al, 0x20
    jnz .ready
    loop .wait
.ready:
    mov al, ah
    mov dx, 0x3f8
    out dx, al
    jmp .next
.halt:
    cli
    hlt
    jmp .halt

bits 64
extern image_base, keel_main, inflate, text_start, rodata_end, packed_start, packed_end
extern paging_on, boot_gdt, boot_pml4, boot_pdpt_low, boot_pdpt_high, boot_directories, boot_stack_top ; of trampoline.asm
entry64_low:
    mov rax, entry64
    jmp rax
entry64:
    xor eax, eax
    mov ss, eax
    mov ds, eax
    mov es, eax
    mov fs, eax
    mov gs, eax
    mov rsp, boot_stack_top
    xor ebp, ebp
    mov al, 0x14
    out 0x80, al
    mov ebx, edi                                ; the upper half is undefined after the mode switch
    mov rdi, packed_start
    mov rsi, packed_end
    sub rsi, rdi
    mov rdx, text_start
    mov rcx, rodata_end
    sub rcx, rdx
    call inflate
    mov rsi, text_damaged
    test al, al
    jz stop
    mov al, 0x15
    out 0x80, al
    mov edi, ebx
    call keel_main
    ud2

text_loader:    db "Keel: not started by a multiboot2 boot loader (EAX is not 0x36d76289). In GRUB use the command multiboot2.", 13, 10, 0
text_long_mode: db "Keel: this CPU has no 64-bit mode (CPUID 0x80000001:EDX[29]). An x86-64 CPU is needed; in an emulator choose another CPU model.", 13, 10, 0
text_nx:        db "Keel: this CPU shows no execute-disable bit (CPUID 0x80000001:EDX[20]). Turn on NX / XD in the firmware's set-up.", 13, 10, 0
text_damaged:   db "Keel: the code in the image cannot be expanded. The file is damaged, or the boot loader left out some of it.", 13, 10, 0
