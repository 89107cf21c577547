# sources_NAME: what tests/unit/test_NAME.c is linked with, besides fake.c. libraries_NAME: host libraries it needs.
sources_bus := hv/vm/bus.c
sources_format := hv/lib/format.c
sources_string :=
sources_lib :=
