# The small guests: flat images, each with its listing; and multiboot kernels, one of which runs them natively.
KERNELS := native kernel
GUESTS := $(patsubst guests/%.asm,%,$(sort $(filter-out $(KERNELS:%=guests/%.asm),$(wildcard guests/*.asm))))

# Guests that want more than their due, for tests that have them beside a victim.
ATTACKERS := $(patsubst guests/%.asm,%,$(sort $(wildcard guests/attackers/*.asm)))
guests: $(ATTACKERS:%=$(BUILD)/guests/%.bin)

# Guests with a hypercall, which AMD's processors have under another name.
GUESTS_SVM := hypercall bench

.PHONY: guests
guests: $(GUESTS:%=$(BUILD)/guests/%.bin) $(GUESTS_SVM:%=$(BUILD)/guests/%-svm.bin) $(GUESTS:%=$(BUILD)/guests/%-on.bin) $(KERNELS:%=$(BUILD)/guests/%.elf)  ## build the small guests of guests/

$(BUILD)/guests/%.bin: guests/%.asm $(wildcard guests/*.inc)
	@mkdir -p $(@D)
	@echo '  NASM $<'
	@$(NASM) -f bin -Werror -I. -l $(@:.bin=.lst) -o $@ $<

$(BUILD)/guests/%-svm.bin: guests/%.asm $(wildcard guests/*.inc)
	@mkdir -p $(@D)
	@echo '  NASM $< (SVM)'
	@$(NASM) -f bin -Werror -DSVM=1 -I. -l $(@:.bin=.lst) -o $@ $<

# One that goes on where a check fails.
$(BUILD)/guests/%-on.bin: guests/%.asm $(wildcard guests/*.inc)
	@mkdir -p $(@D)
	@echo '  NASM $< (goes on)'
	@$(NASM) -f bin -Werror -DGO_ON=1 -I. -l $(@:.bin=.lst) -o $@ $<

$(BUILD)/guests/%.elf: guests/%.asm
	@mkdir -p $(@D)
	@echo '  NASM $<'
	@$(NASM) -f elf32 -Werror -I. -o $(@:.elf=.o) $<
	@ld -m elf_i386 -n -e start -Ttext=0x200000 --no-warn-rwx-segments -o $@ $(@:.elf=.o)

# Guests in C, with symbols for a debugger: the ELF file, and the flat image of it for entry = long at 0x100000.
GUESTS_C := counter hangs overflows
guests: $(GUESTS_C:%=$(BUILD)/guests/c/%.elf) $(GUESTS_C:%=$(BUILD)/guests/c/%.bin)

$(BUILD)/guests/c/%.elf: guests/c/%.c guests/c/start.asm
	@mkdir -p $(@D)
	@echo '  CC   $< (guest)'
	@$(NASM) -f elf64 -g -F dwarf -Werror -o $(@:.elf=.start.o) guests/c/start.asm
	@$(CC) -std=gnu17 -g -Og $(WARNINGS) -ffreestanding -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	    -fno-omit-frame-pointer -fno-inline -fno-optimize-sibling-calls -fcf-protection=none -fno-asynchronous-unwind-tables \
	    -ffile-prefix-map=$(CURDIR)=. -c -o $(@:.elf=.o) $<
	@ld -n -e start -z noexecstack -Ttext=0x100000 --no-warn-rwx-segments -o $@ $(@:.elf=.start.o) $(@:.elf=.o)

$(BUILD)/guests/c/%.bin: $(BUILD)/guests/c/%.elf
	@$(OBJCOPY) -O binary $< $@
