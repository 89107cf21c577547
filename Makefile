# Keel's build. `make help` lists what there is to make.
CC       ?= gcc
ifeq ($(origin CC),default)
CC       := gcc
endif
NASM     := nasm
OBJCOPY  := objcopy
BUILD    := build

# By floors, the highest first: tests/tree.py has the order.
ROOMS    := hv/monitor hv/gdb hv/observe hv/crash hv/show hv/life hv/console hv/load hv/exit hv/run hv/emulate hv/decode hv/event hv/walk \
            hv/cpu hv/vm hv/host hv/lib
FOLDERS  := boot vmx svm devices devices/irq $(ROOMS) ept
SOURCES  := $(sort $(wildcard $(FOLDERS:%=%/*.c)))
ASSEMBLY := $(sort $(wildcard $(FOLDERS:%=%/*.asm)))
OBJECTS  := $(SOURCES:%.c=$(BUILD)/keel/%.o) $(ASSEMBLY:%.asm=$(BUILD)/keel/%.asm.o)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wpointer-arith \
            -Wno-missing-field-initializers
CFLAGS   := -std=gnu17 -g $(WARNINGS) -I. -ffreestanding -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only \
            -mcmodel=kernel -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none \
            -fno-strict-aliasing -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=. -MMD -MP $(DEFINES)
# What runs between an exit and the next entry is compiled for speed, all else for size.
HOT      := vmx/exits vmx/events vmx/registers vmx/cr svm/exits svm/events svm/registers devices/acpi_pm devices/irq/% \
            devices/board devices/debug_ports devices/pit% devices/uart \
            hv/vm/bus hv/decode/decode hv/emulate/emulate% \
            hv/event/event hv/exit/exit hv/cpu/registers hv/vm/guest_mem hv/cpu/msr hv/vm/vcpu hv/vm/vm hv/walk/walk \
            hv/host/interrupts hv/host/timer hv/lib/string
NOT_HOT  := devices/irq/apic_mode devices/irq/apic_controller $(addprefix hv/emulate/emulate_,string branch multiply vector)
HOT_OBJECTS := $(filter-out $(NOT_HOT:%=$(BUILD)/keel/%.o),$(filter $(HOT:%=$(BUILD)/keel/%.o),$(OBJECTS)))
$(OBJECTS): OPTIMIZE := -Oz
$(HOT_OBJECTS): OPTIMIZE := -O2
# 256 KiB by gcc, which builds what is released; clang, which checks, makes larger code.
IMAGE_MOST := $(if $(findstring clang,$(CC)),327680,262144)
# Padding before functions and loops would be a twentieth of the image; nothing on the stack needs more than 8 bytes.
ifeq ($(findstring clang,$(CC)),)
CFLAGS   += -falign-functions=1 -falign-loops=1 -falign-jumps=1 -falign-labels=1 -mpreferred-stack-boundary=3 \
            -malign-data=abi
endif
LDFLAGS  := -nostdlib -static $(if $(findstring clang,$(CC)),,-no-pie) -Wl,--gc-sections -Wl,--build-id=none -Wl,--nmagic \
            -Wl,-z,noexecstack

.DEFAULT_GOAL := all
.PHONY: all help count format format-check clean

all: tools $(BUILD)/keel.elf  ## build build/keel.elf

include tests/tools.mk
include tests/unit/unit.mk
include tests/replay/replay.mk
include tests/fuzz/fuzz.mk
include tests/tsan/tsan.mk
include hv/load/load.mk
include boot/efi/efi.mk
-include guests/guests.mk
-include tests/tests.mk

# Linked three times: the second time with the symbol table of the first, which lies behind everything that it describes,
# the third time with the code and read-only data of the second as gzip makes them, behind all, instead of both.
LINK := $(CC) $(LDFLAGS)
$(BUILD)/keel.elf: $(BUILD)/keel.first.elf boot/symbols.awk linker.ld
	@echo '  LINK $@'
	@nm -n $< | awk -f boot/symbols.awk > $(BUILD)/symbols.asm
	@$(NASM) -f elf64 -o $(BUILD)/symbols.o $(BUILD)/symbols.asm
	@$(LINK) -T linker.ld -o $@.debug $(OBJECTS) $(BUILD)/symbols.o
	@$(OBJCOPY) -O binary -j .text -j .rodata $@.debug $(BUILD)/plain
	@gzip -9nc $(BUILD)/plain > $(BUILD)/plain.gz
	@printf 'section .packed\nincbin "%s"\n' $(BUILD)/plain.gz > $(BUILD)/packed.asm
	@$(NASM) -f elf64 -o $(BUILD)/packed.o $(BUILD)/packed.asm
	@sed -E 's/\.(text|rodata) :/.\1 (NOLOAD) :/' linker.ld > $(BUILD)/packed.ld
	@$(LINK) -Wl,--strip-all -T $(BUILD)/packed.ld -o $@ $(OBJECTS) $(BUILD)/symbols.o $(BUILD)/packed.o
	@size=$$(stat -c %s $@); [ $$size -le $(IMAGE_MOST) ] || { echo "$@ has $$size bytes, $(IMAGE_MOST) are allowed"; rm $@; exit 1; }

$(BUILD)/keel.first.elf: $(OBJECTS) linker.ld
	@$(LINK) -T linker.ld -o $@ $(OBJECTS)

$(BUILD)/keel/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(CC) $(OPTIMIZE) $(CFLAGS) -c $< -o $@

# The manuals' numbers for NASM, from the page that has them for C.
X86_INC := $(BUILD)/generated/x86.inc
$(X86_INC): hv/x86/x86.h hv/x86/x86.awk
	@mkdir -p $(@D)
	@awk -f hv/x86/x86.awk $< > $@

$(BUILD)/keel/%.asm.o: %.asm $(X86_INC) Makefile
	@mkdir -p $(@D)
	@echo '  NASM $<'
	@$(NASM) -f elf64 -g -F dwarf -Werror -I. -I$(BUILD)/generated/ -MD $(@:.o=.d) -MT $@ -o $@ $<

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

count:  ## lines of C and assembly by folder
	@for folder in $(FOLDERS) guests tests; do \
	    files=$$(git ls-files "$$folder/*.c" "$$folder/*.h" "$$folder/*.asm" | grep -v /lib/generated); \
	    [ -z "$$files" ] || printf '%-10s %6d lines in %3d files\n' $$folder $$(cat $$files | wc -l) $$(echo "$$files" | wc -l); \
	done; printf '%-10s %6d lines\n' total $$(git ls-files '*.c' '*.h' '*.asm' | xargs cat | wc -l)

format:  ## format every C file with the tree's .clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

format-check:
	clang-format --dry-run --Werror $$(git ls-files '*.c' '*.h')

clean:  ## remove build/
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
