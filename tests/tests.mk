# How people and tests start Keel.
JOBS ?= 2
TEST ?=
# Which machine: PLATFORM=bochs, qemu-tcg or qemu-kvm, VENDOR=vmx or svm; by itself where both are empty.
PLATFORM ?=
VENDOR ?=
EMULATED := BUILD=$(BUILD) PLATFORM=$(PLATFORM) VENDOR=$(VENDOR) python3 tests/emulated

.PHONY: run test test-emulated soak iso bench bench-costs attackers path exits trace-picture check-calls check-floors check-names check-lines

run: all  ## Linux in Keel in an emulator (KERNEL= INITRD= CMDLINE= CPUS= MEMORY= PLATFORM= VENDOR=)
	@$(EMULATED)/console.py --kernel="$(KERNEL)" --initrd="$(INITRD)" --cmdline="$(CMDLINE)" \
	    --cpus=$(or $(CPUS),1) --memory=$(or $(MEMORY),256M)

iso: all efi  ## build/keel.iso: GRUB, Keel and Debian's Linux for a CD or a USB stick
	@$(EMULATED)/iso.py $(BUILD)/keel.iso

test-emulated: all efi guests $(BUILD)/replay/replay  ## whole-system tests (TEST=part of a name, JOBS=2, PLATFORM=, VENDOR=)
	@$(EMULATED)/run.py -j $(JOBS) $(if $(TEST),"$(TEST)")

soak: all guests  ## VMs that start, crash, pause and end by chance, for SECONDS=600 (SEED=, PLATFORM=, VENDOR=)
	@$(EMULATED)/soak.py --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

bench: all guests  ## what each kind of exit costs, in instructions (VENDOR=svm)
	@$(EMULATED)/bench.py

# The same Keel, but that no exit is counted.
BARE := $(BUILD)/without-statistics

bench-costs: all guests  ## what statistics and trace add to each kind of exit, both vendors
	@$(MAKE) --no-print-directory BUILD=$(BARE) DEFINES=-DSTATS_COUNTED=0 $(BARE)/keel.elf >/dev/null
	@$(EMULATED)/bench.py costs $(BARE)/keel.elf

attackers: all guests  ## what a victim has of its due beside each of guests/attackers/, by its own count of rounds
	@$(EMULATED)/test_attackers.py

path: all guests  ## the way of one exit, by instructions and functions (ROW="in 0x21"; all rows' lengths without; VENDOR=svm)
	@ROW="$(ROW)" $(EMULATED)/path.py

exits: all  ## how many exits a Linux boot needs, by reason, with APIC virtualization and without
	@$(EMULATED)/exits.py

trace-picture: all  ## docs/trace-boot.svg: the trace of a Linux boot
	@$(EMULATED)/trace_picture.py

check-calls: all  ## every function of the image has a caller in it
	@python3 tests/tree.py calls $(BUILD)

check-floors: all  ## includes and calls run down the floors alone, rooms that another architecture keeps name no x86, vmx/ and svm/ are twins; and that what is not so is found
	@python3 tests/tree.py floors $(BUILD)
	@python3 tests/test_floors.py $(BUILD)
	@python3 tests/kept.py $(BUILD)
	@python3 tests/test_kept.py $(BUILD)
	@python3 tests/twins.py $(BUILD)
	@python3 tests/test_twins.py $(BUILD)

check-lines:  ## every line of the log that a guest can cause is within its VM's budget
	@python3 tests/tree.py lines

check-names:  ## what docs/ and comments name is there, and tests stand where their rooms' names say
	@python3 tests/tree.py names
	@python3 tests/tree.py tests
	@python3 tests/dictionary.py
	@python3 tests/test_dictionary.py
	@python3 tests/limits.py
	@python3 tests/test_limits.py

test:  ## everything: unit tests, builds, format, whole-system tests
	@BUILD=$(BUILD) JOBS=$(JOBS) python3 tests/all.py
