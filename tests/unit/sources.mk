# sources_NAME: what tests/unit/test_NAME.c is linked with, besides fake.c and fake_record.c. libraries_NAME: host libraries it needs.
sources_bus := hv/vm/bus.c
sources_format := hv/lib/format.c
sources_inflate := hv/lib/inflate.c
sources_string :=
sources_lib := hv/lib/number.c
sources_i8042 := devices/i8042.c devices/ps2_keyboard.c hv/lib/format.c
sources_acpi_pm := devices/acpi_pm.c hv/lib/format.c
sources_pci := devices/pci.c devices/reset.c hv/vm/bus.c hv/lib/format.c
sources_reset := devices/reset.c hv/lib/format.c
sources_debug_ports := devices/debug_ports.c hv/vm/bus.c hv/lib/format.c
sources_fw_cfg := devices/fw_cfg.c hv/vm/bus.c hv/lib/format.c
sources_decode := hv/vm/decode.c hv/vm/decode_table.c
libraries_decode := -lZydis
sources_ept := ept/table.c ept/formats.c
sources_uart := devices/uart.c hv/lib/format.c
sources_pit := devices/pit.c hv/vm/bus.c hv/lib/format.c
sources_rtc := devices/rtc.c hv/lib/format.c
sources_board := $(wildcard devices/*.c) hv/vm/bus.c hv/lib/format.c
sources_time := $(wildcard devices/*.c) hv/vm/bus.c hv/lib/format.c
sources_frames := hv/host/frames.c
sources_timer := hv/host/timer.c tests/unit/privileged.c
libraries_timer := -lpthread
emulator := tests/unit/guest.c $(wildcard hv/vm/emulate*.c) hv/vm/decode.c hv/vm/decode_table.c hv/vm/linear.c \
            hv/vm/segment.c hv/vm/walk.c hv/vm/io_permission.c hv/vm/control.c hv/vm/guest_mem.c hv/vm/bus.c \
            hv/vm/vcpu.c hv/vm/guest_debug.c hv/vm/guest_step.c
sources_unicorn := $(emulator)
libraries_unicorn := -lunicorn
sources_guest_map := hv/load/guest_map.c hv/vm/guest_mem.c
sources_config := hv/vm/config.c hv/vm/config_keys.c hv/lib/format.c hv/lib/number.c
sources_config_modules := $(sources_config)
sources_load := $(addprefix hv/load/,load.c loader.c guest_map.c linux_boot.c linux_bzimage.c linux_elf.c elf.c bios.c \
                elf_sections.c multiboot.c multiboot_info.c flat.c) hv/vm/guest_mem.c hv/lib/format.c
sources_load_multiboot := $(sources_load)
sources_load_modules := $(sources_load)
sources_acpi_tables := hv/load/acpi.c hv/load/guest_map.c hv/vm/guest_mem.c
sources_bios := hv/load/bios.c hv/vm/guest_mem.c
sources_sleepers := hv/vm/sleepers.c
sources_vga := devices/vga.c hv/vm/bus.c hv/lib/format.c
sources_mp_table := hv/load/mp_table.c hv/load/guest_map.c hv/vm/guest_mem.c
sources_multiboot2 := boot/multiboot2.c
vmx_tables := vmx/fields.c vmx/controls.c vmx/capabilities.c hv/lib/format.c
sources_vmx_fields := $(vmx_tables) tests/unit/vmx_image.c
sources_vmx_controls := $(vmx_tables)
sources_vmx_apic := $(vmx_tables) vmx/apic.c
sources_vmx_checks := $(vmx_tables) $(patsubst %,vmx/%.c,entry_checks checks_control checks_host checks_guest \
                      checks_segment exit_reasons) tests/unit/vmx_image.c
sources_pic := devices/pic.c hv/lib/format.c
sources_pic_modes := $(sources_pic)
sources_ioapic := devices/ioapic.c hv/lib/format.c
local_apic := devices/local_apic.c devices/apic_fabric.c devices/apic_mode.c devices/apic_registers.c \
              devices/apic_timer.c hv/lib/format.c tests/unit/apic_fixture.c
sources_local_apic := $(local_apic)
sources_apic_registers := $(local_apic)
sources_apic_fabric := $(local_apic)
sources_apic_timer := $(local_apic)
sources_pit_irq := devices/pit.c hv/vm/bus.c hv/lib/format.c
sources_uart_receiver := devices/uart.c hv/lib/format.c
sources_guest_mem := hv/vm/guest_mem.c
sources_walk := $(emulator)
sources_emulate := $(emulator)
sources_emulate_control := $(emulator)
sources_emulate_vector := $(emulator)
sources_emulate_branch := $(emulator)
sources_emulate_string := $(emulator)
sources_emulate_segment := $(emulator)
sources_task_switch := $(emulator) hv/vm/task_switch.c
sources_cpuid := hv/vm/cpuid.c hv/vm/cpuid_policy.c hv/lib/format.c
core := tests/unit/core_fixture.c hv/vm/observe.c hv/vm/vm.c hv/vm/vcpu.c hv/vm/bus.c hv/vm/guest_mem.c hv/lib/format.c
sources_event := $(core) hv/vm/event.c
libraries_event := -lpthread
sources_msr := $(core) hv/vm/msr.c
sources_control := $(core) hv/vm/control.c
sources_vm := $(core)
sources_hygiene := hv/vm/hygiene_needs.c hv/lib/format.c
sources_life := $(core) hv/vm/life.c hv/debug/stats.c
sources_life_pause := $(sources_life)
sources_create := $(core) hv/debug/stats.c hv/vm/create.c hv/load/guest_map.c tests/unit/privileged.c
sources_exit := $(core) hv/debug/stats.c hv/vm/exit.c hv/vm/msr.c hv/vm/event.c tests/unit/privileged.c
sources_observe := $(sources_exit)
sources_serial := hv/host/serial.c tests/unit/privileged.c
sources_console := hv/debug/console.c hv/debug/console_keys.c hv/host/serial.c hv/lib/format.c tests/unit/privileged.c
sources_console_keys := $(sources_console)
sources_log := $(core) hv/debug/log.c tests/unit/privileged.c
sources_crash := $(emulator) $(patsubst %,hv/debug/%.c,crash state walk_print guest_symbols guest_place) hv/lib/format.c ept/table.c ept/formats.c \
                 tests/unit/privileged.c
sources_watchdog := hv/debug/watchdog.c tests/unit/privileged.c
sources_screen := hv/debug/screen.c hv/debug/font.c
sources_guest_symbols := hv/debug/guest_symbols.c hv/lib/format.c
sources_symbols := hv/debug/symbols.c
sources_clock := hv/host/clock.c tests/unit/privileged.c
sources_timer_queue := hv/host/timer.c tests/unit/privileged.c
sources_runqueue := hv/vm/runqueue.c
sources_stats := hv/debug/stats.c hv/vm/bus.c hv/lib/format.c
sources_share := hv/vm/share.c hv/vm/runqueue.c
sources_sched := $(core) hv/vm/sched.c hv/vm/runqueue.c hv/vm/share.c tests/unit/privileged.c
sources_sched_model := hv/vm/observe.c hv/vm/runqueue.c hv/vm/share.c hv/vm/vcpu.c hv/vm/vm.c hv/vm/bus.c hv/vm/guest_mem.c hv/lib/format.c
sources_efi_runtime := boot/efi_runtime.c
sources_power := hv/host/power.c tests/unit/privileged.c
sources_host_acpi := hv/host/acpi.c hv/host/serial.c
sources_host_acpi_fadt := $(sources_host_acpi)
sources_paging := hv/host/paging.c hv/host/frames.c ept/table.c ept/formats.c tests/unit/privileged.c
# The image's symbols are addresses near the top, which only a table of addresses can hold here.
$(BUILD)/unit/hv/host/paging.o: UNIT_CFLAGS += -fPIC
sources_vmx_cr := vmx/cr.c hv/vm/control.c
$(BUILD)/unit/vmx/cr.o $(BUILD)/unit/tests/unit/test_vmx_cr.o: UNIT_CFLAGS := -Itests/replay/shadow $(UNIT_CFLAGS)
sources_svm_vmcb := svm/vmcb.c svm/exit_codes.c hv/lib/format.c
sources_svm_checks := svm/checks.c svm/vmcb.c hv/lib/format.c
sources_efi := boot/efi/information.c boot/efi/leave.c boot/efi/volume.c boot/multiboot2.c
svm := hv/debug/stats.c $(core) tests/unit/svm_fixture.c tests/unit/privileged.c hv/vm/event.c hv/vm/native.c \
       $(patsubst %,svm/%.c,svm vcpu registers events exits details checks vmcb exit_codes)
$(foreach test,svm_vcpu svm_events svm_exits,$(eval sources_$(test) := $(svm))$(eval libraries_$(test) := -no-pie))
sources_vmx_vcpu := $(core) $(vmx_tables) tests/unit/privileged.c hv/vm/native.c vmx/vcpu.c vmx/registers.c vmx/apic.c
libraries_vmx_vcpu := -no-pie
gdb_protocol := $(patsubst %,hv/debug/gdb_%.c,server commands query link input access registers fpu) hv/lib/format.c hv/lib/number.c
sources_gdb_server := $(gdb_protocol)
sources_gdb_states := $(gdb_protocol)
sources_guest_debug := $(emulator)
sources_line_edit := hv/debug/line_edit.c hv/lib/format.c
sources_monitor := $(core) hv/debug/stats.c hv/debug/state.c hv/lib/number.c tests/unit/monitor_fixture.c tests/unit/privileged.c \
                   $(patsubst %,hv/debug/%.c,monitor monitor_parse monitor_vms monitor_look monitor_trace line_edit guest_symbols guest_place)
sources_monitor_commands := $(sources_monitor)
sources_trace := $(core) $(patsubst %,hv/debug/%.c,trace trace_filter trace_dump) hv/lib/number.c tests/unit/privileged.c
sources_record := $(core) hv/debug/record.c hv/vm/observe.c tests/replay/stream.c tests/unit/privileged.c
libraries_record := -no-pie
gdb_model := $(gdb_protocol) $(patsubst %,hv/debug/gdb_%.c,stub target port) tests/unit/gdb_model.c tests/unit/gdb_model_port.c \
             $(patsubst %,hv/vm/%.c,life vm vcpu bus guest_mem observe guest_debug guest_step)
sources_gdb_model := $(gdb_model)
