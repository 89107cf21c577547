# nm -n keel.elf | awk -f symbols.awk: the code symbols as NASM data, for backtraces. One line of code moves nothing before it.
function hex(text,   i, value) {
    value = 0
    for (i = 1; i <= length(text); i++)
        value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
    return value
}
$3 == "image_start" { start = hex(substr($1, 9)) }
$2 ~ /^[tT]$/ && $3 !~ /\.|^image_|^text_|_end$|^(plain|error)_[0-9]+$/ {
    count++
    offset[count] = hex(substr($1, 9)) - start
    name[count] = $3
}
END {
    print "section .symbols"
    print "global symbol_count, symbol_table, symbol_names"
    print "align 4"
    print "symbol_count: dd " count + 0
    print "symbol_table:"
    for (i = 1; i <= count; i++)
        print "dd " offset[i]
    print "symbol_names:"
    for (i = 1; i <= count; i++)
        print "db \"" name[i] "\", 0"
}
