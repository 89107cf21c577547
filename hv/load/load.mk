# The guests' DSDT: C preprocessor (for pc.h), then iasl, then an array of bytes that hv/load/acpi.c includes.
IASL := iasl
DSDT := $(BUILD)/generated/dsdt

$(DSDT).aml: hv/load/dsdt.asl hv/x86/pc.h hv/load/load.mk
	@mkdir -p $(@D)
	@echo '  ASL  $<'
	@$(CC) -E -P -x c -I. -D'UINT64_C(n)=n' $< -o $(DSDT).i
	@$(IASL) -ve -oE -p $(DSDT) $(DSDT).i > $(DSDT).log 2>&1 || { cat $(DSDT).log; exit 1; }

$(DSDT).h: $(DSDT).aml
	@{ echo 'static const unsigned char dsdt[] = {'; od -An -v -tx1 $< | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@

# Whoever compiles acpi.c, for the image or for a unit test, finds the array.
$(BUILD)/keel/hv/load/acpi.o $(BUILD)/unit/hv/load/acpi.o: $(DSDT).h
$(BUILD)/keel/hv/load/acpi.o: CFLAGS += -I$(BUILD)/generated
$(BUILD)/unit/hv/load/acpi.o: UNIT_CFLAGS += -I$(BUILD)/generated

# Firmware's handlers for real mode: nasm, then an array of bytes that hv/load/bios.c includes.
BIOS_CODE := $(BUILD)/generated/bios_code

$(BIOS_CODE).h: hv/load/bios.nasm hv/load/load.mk
	@mkdir -p $(@D)
	@echo '  NASM $<'
	@$(NASM) -f bin -Werror -DBIOS_CODE=0x200 -o $(BIOS_CODE).bin $<
	@{ echo '#define BIOS_CODE 0x200'; echo 'static const unsigned char bios_code[] = {'; \
	   od -An -v -tx1 $(BIOS_CODE).bin | sed 's/ \(..\)/0x\1,/g'; echo '};'; } > $@

$(BUILD)/keel/hv/load/bios.o $(BUILD)/unit/hv/load/bios.o $(BUILD)/fuzz/hv/load/bios.o: $(BIOS_CODE).h
$(BUILD)/keel/hv/load/bios.o: CFLAGS += -I$(BUILD)/generated
$(BUILD)/unit/hv/load/bios.o: UNIT_CFLAGS += -I$(BUILD)/generated
$(BUILD)/fuzz/hv/load/bios.o: FUZZ_CFLAGS += -I$(BUILD)/generated
