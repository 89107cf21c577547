# fuzz_sources_NAME: what tests/fuzz/fuzz_NAME.c is linked with, besides tests/unit/fake.c.
fuzz_sources_config := $(sources_config)
fuzz_sources_load := $(sources_load)
fuzz_sources_multiboot2 := $(sources_multiboot2)
fuzz_sources_decode := $(sources_decode)
fuzz_sources_emulate := $(emulator)
fuzz_sources_board := tests/fuzz/pc.c $(sources_board)
fuzz_sources_stale := $(emulator)
fuzz_sources_gdb := $(gdb_model)
