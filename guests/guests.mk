# The small guests: flat images, each with its listing; and what runs one natively.
GUESTS := $(patsubst guests/%.asm,%,$(sort $(filter-out guests/native.asm,$(wildcard guests/*.asm))))

# Guests with a hypercall, which AMD's processors have under another name.
GUESTS_SVM := hypercall bench

.PHONY: guests
guests: $(GUESTS:%=$(BUILD)/guests/%.bin) $(GUESTS_SVM:%=$(BUILD)/guests/%-svm.bin) $(GUESTS:%=$(BUILD)/guests/%-on.bin) $(BUILD)/guests/native.elf  ## build the small guests of guests/

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
