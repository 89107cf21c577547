# The replay of recordings (docs/replay.md): Keel's own files, compiled for the host as the unit tests are, but with each
# instruction of the CPU that a user program may not execute played by tests/replay.
REPLAY_SOURCES := $(FAKES) $(wildcard tests/replay/*.c devices/*.c devices/irq/*.c hv/emulate/emulate*.c hv/decode/decode*.c vmx/checks_*.c) \
                  hv/event/event.c hv/exit/exit.c hv/exit/details.c hv/vm/vcpu.c hv/cpu/registers.c hv/cpu/apic_page.c hv/vm/vm.c hv/vm/guest_mem.c hv/cpu/msr.c \
                  hv/cpu/cpuid.c hv/cpu/cpuid_build.c hv/cpu/cpuid_features.c hv/cpu/cpuid_policy.c hv/cpu/cpuid_update.c hv/cpu/control.c \
                  hv/walk/linear.c hv/walk/walk.c hv/walk/segment.c hv/emulate/task_switch.c hv/walk/io_permission.c \
                  hv/event/guest_debug.c hv/event/guest_look.c hv/event/guest_step.c hv/walk/breakpoint.c hv/cpu/native.c hv/cpu/state_area.c \
                  hv/vm/observe.c hv/vm/virt_controls.c hv/life/create.c hv/exit/processor.c hv/load/start.c hv/run/vm_timer.c hv/observe/stats.c hv/vm/exit_stat.c hv/lib/format.c hv/load/guest_map.c \
                  $(addprefix vmx/,quirks.c exits.c events.c ops.c vm.c vcpu.c registers.c cr.c apic.c controls.c capabilities.c fields.c \
                  reasons.c checks.c show.c) \
                  $(addprefix svm/,quirks.c exits.c ops.c capabilities.c controls.c vm.c vcpu.c registers.c events.c checks.c fields.c reasons.c show.c)
REPLAY_OBJECTS := $(REPLAY_SOURCES:%.c=$(BUILD)/replay/%.o)
REPLAY_CFLAGS  := -Itests/replay/shadow $(filter-out --coverage,$(UNIT_CFLAGS)) -fno-pie -mgeneral-regs-only

.PHONY: replay test-recordings recordings

replay: $(BUILD)/replay/replay  ## run a recording again: make replay FILE=...
	$(if $(FILE),$< $(FILE))

test-unit: test-recordings

test-recordings: $(BUILD)/replay/replay
	@python3 tests/replay/recordings.py $< $(BUILD)/replay

recordings: all  ## record tests/recordings anew, where another behaviour of Keel's is intended
	@BUILD=$(BUILD) python3 tests/emulated/recording.py

$(BUILD)/replay/standins.a: $(STANDINS:%.c=$(BUILD)/replay/%.o)
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/replay/replay: $(REPLAY_OBJECTS) $(BUILD)/replay/standins.a
	@$(HOST_CC) $(REPLAY_CFLAGS) -no-pie $^ -o $@

$(BUILD)/replay/%.o: %.c
	@mkdir -p $(@D)
	@echo '  PLAY $<'
	@$(HOST_CC) $(REPLAY_CFLAGS) $(PLAY_$(notdir $*)) -MMD -MP -c $< -o $@

# It would load the guest's registers into this machine's CPU: machine.c has another.
PLAY_native := $(foreach name,load put keep return_upper,-Dnative_$(name)=machines_native_$(name))
$(filter $(BUILD)/replay/tests/%,$(REPLAY_OBJECTS)) $(STANDINS:%.c=$(BUILD)/replay/%.o): REPLAY_CFLAGS := $(filter-out -mgeneral-regs-only,$(REPLAY_CFLAGS))

-include $(REPLAY_OBJECTS:.o=.d)
