; The protected-mode part of an image that a boot loader of the Linux boot protocol takes for a bzImage, and that holds
; a kernel as it lies in memory instead of packed: it moves the kernel to its place and enters it in 64-bit mode.
; unpacked.py puts the kernel behind it and fills the last 24 bytes in.
%define HERE   0x8000000
%define CODE64 0x10                             ; __BOOT_CS and __BOOT_DS: "64-bit Boot Protocol"
%define DATA   0x18
%define CR4_PAE   1 << 5
%define EFER      0xc0000080
%define EFER_LME  1 << 8
%define CR0_PG    1 << 31
%define PRESENT_WRITABLE 3
%define PAGE_2M   1 << 7

bits 32
org HERE

start:
    cld
    mov ebp, esi                                ; the zero page
    mov dword [tables], tables + 0x1000 + PRESENT_WRITABLE
    mov ecx, 4
directories:
    mov eax, ecx
    shl eax, 12
    add eax, tables + 0x1000 + PRESENT_WRITABLE
    mov [tables + 0x1000 + ecx * 8 - 8], eax
    loop directories
pages:                                          ; 4 GiB as they are
    mov eax, ecx
    shl eax, 21
    or eax, PRESENT_WRITABLE | PAGE_2M
    mov [tables + 0x2000 + ecx * 8], eax
    inc ecx
    cmp ecx, 4 * 512
    jb pages

    lgdt [gdt_pointer]
    mov eax, cr4
    or eax, CR4_PAE
    mov cr4, eax
    mov eax, tables
    mov cr3, eax
    mov ecx, EFER
    rdmsr
    or eax, EFER_LME
    wrmsr
    mov eax, cr0
    or eax, CR0_PG
    mov cr0, eax
    jmp CODE64:long_mode

bits 64
long_mode:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsi, kernel
    mov rdi, [place]
    mov rcx, [size]
    shr rcx, 3
    rep movsq
    mov esi, ebp
    jmp [entry]

align 8
gdt:
    dq 0, 0
    dq 0x00af9b000000ffff
    dq 0x00cf93000000ffff
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

    times 4096 - 24 - ($ - $$) db 0
place: dq 0
size:  dq 0                                     ; a multiple of 8
entry: dq 0
tables:
    times 6 * 4096 db 0
kernel:
