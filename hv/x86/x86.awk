# awk -f x86.awk hv/x86/x86.h: the bits and the MSR numbers of that page for NASM, so that each stands once.
/^#define [A-Z0-9_]+ +BIT\([0-9]+\)/ {
    gsub(/[^0-9]/, "", $3)
    print $2 " equ 1 << " $3
}
/^    [A-Z0-9_]+ = 0x[0-9a-f]+,/ {
    sub(/,/, "", $3)
    print $1 " equ " $3
}
