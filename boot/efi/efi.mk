# keel.efi: a GNU-EFI application that carries keel.elf.
GNU_EFI_HEADERS ?= /usr/include/efi
GNU_EFI_LIB     ?= /usr/lib
EFI_SOURCES := $(sort $(wildcard boot/efi/*.c)) $(addprefix hv/,life/config.c life/config_say.c life/config_modules.c life/config_keys.c cpu/cpuid_features.c vm/guest_mem.c host/witness.c load/elf.c \
               load/loader.c load/guest_map.c lib/format.c lib/number.c lib/string.c)
EFI_OBJECTS := $(EFI_SOURCES:%.c=$(BUILD)/efi/%.o) $(BUILD)/efi/boot/efi/enter.asm.o
EFI_HEADERS := -isystem $(GNU_EFI_HEADERS) -isystem $(GNU_EFI_HEADERS)/x86_64 -DGNU_EFI_USE_MS_ABI
EFI_CFLAGS  := -std=gnu17 -Os $(WARNINGS) -I. $(EFI_HEADERS) -ffreestanding -fpic -fvisibility=hidden -fshort-wchar \
               -mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
               -fcf-protection=none -fno-strict-aliasing -MMD -MP

.PHONY: efi
efi: tools $(BUILD)/keel.efi  ## build/keel.efi, Keel for UEFI without GRUB

$(BUILD)/keel.efi: $(EFI_OBJECTS)
	@echo '  LINK $@'
	@ld -nostdlib -shared -Bsymbolic -z nocombreloc -z noexecstack --no-undefined --no-warn-rwx-segments --build-id=none \
	    -T $(GNU_EFI_LIB)/elf_x86_64_efi.lds -o $@.so $(GNU_EFI_LIB)/crt0-efi-x86_64.o $(EFI_OBJECTS) \
	    $(GNU_EFI_LIB)/libgnuefi.a
	@$(OBJCOPY) -j .text -j .data -j .dynamic -j .dynsym -j .rela -j .reloc --target=efi-app-x86_64 $@.so $@

$(BUILD)/efi/%.o: %.c boot/efi/efi.mk
	@mkdir -p $(@D)
	@echo '  EFI  $<'
	@$(CC) $(EFI_CFLAGS) -c $< -o $@

$(BUILD)/efi/boot/efi/enter.asm.o: boot/efi/enter.asm $(BUILD)/keel.elf $(X86_INC)
	@mkdir -p $(@D)
	@$(NASM) -f elf64 -Werror -I$(BUILD)/generated/ -DKEEL_ELF='"$(BUILD)/keel.elf"' -o $@ $<

# Unit tests of boot/efi/ see the firmware's headers too.
$(BUILD)/unit/boot/efi/%.o $(BUILD)/unit/tests/unit/boot/test_efi.o: UNIT_CFLAGS += $(EFI_HEADERS) -fshort-wchar

-include $(EFI_SOURCES:%.c=$(BUILD)/efi/%.d)
