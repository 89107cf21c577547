; A VGA as kernels use it that know no other screen: text at 0xB8000, the cursor by way of the CRT controller, retrace, palette.
bits 64
%include "guests/lib.inc"

TEXT   equ 0xb8000
CRTC   equ 0x3d4
STATUS equ 0x3da

; The CRT controller's register %1 becomes %2.
%macro put_crtc 2
    mov   dx, CRTC
    mov   ax, %1 | %2 << 8
    out   dx, ax
%endmacro

%macro get_crtc 1
    mov   dx, CRTC
    mov   al, %1
    out   dx, al
    inc   dx
    in    al, dx
%endmacro

begin:
    begin64
    guest "vga: text memory, cursor, retrace, palette"

    ; 25 rows are written, and scrolled by one.
    mov   edi, TEXT
    xor   ecx, ecx
.fill:
    mov   eax, ecx
    mov   ah, 0x1f
    mov   [rdi + rcx * 2], ax
    inc   ecx
    cmp   ecx, 80 * 25
    jb    .fill
    mov   esi, TEXT + 160
    mov   ecx, 80 * 24
    cld
    rep   movsw
    equal word [abs TEXT], 0x1f00 | 80
    equal word [abs TEXT + 159 * 2], 0x1f00 | 239
    equal word [abs TEXT + (80 * 24 - 1) * 2], 0x1f00 | ((80 * 25 - 1) & 0xff)
    mov   dword [abs TEXT + 0x7ffc], 0x12345678     ; to its last byte
    equal dword [abs TEXT + 0x7ffc], 0x12345678

    ; A thousand rounds through it are as quick as through other memory: no exit.
    mov   ebp, 1000
.rounds:
    mov   edi, TEXT
    mov   ecx, 80 * 25
    mov   ax, 0x0720
    rep   stosw
    dec   ebp
    jnz   .rounds

    ; The cursor.
    put_crtc 0x0e, 0x07
    put_crtc 0x0f, 0xcf
    get_crtc 0x0e
    equal al, 0x07
    get_crtc 0x0f
    equal al, 0xcf
    get_crtc 0x13
    equal al, 40

    ; The retrace comes and goes.
    mov   dx, STATUS
.shown:
    in    al, dx
    test  al, 8
    jnz   .shown
.retrace:
    in    al, dx
    test  al, 8
    jz    .retrace

    ; An attribute, a color.
    in    al, dx
    mov   dx, 0x3c0
    mov   al, 0x31                      ; the border's color; the screen stays on
    out   dx, al
    mov   al, 0x05
    out   dx, al
    mov   dx, 0x3c8
    mov   al, 9
    out   dx, al
    inc   dx
    mov   al, 1
    out   dx, al
    mov   al, 2
    out   dx, al
    mov   al, 3
    out   dx, al
    mov   dx, 0x3c7
    mov   al, 9
    out   dx, al
    mov   dx, 0x3c9
    in    al, dx
    equal al, 1
    in    al, dx
    equal al, 2
    in    al, dx
    equal al, 3
    pass
