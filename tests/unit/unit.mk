# Unit tests: everything pure, compiled for the host under ASan and UBSan. A test names its sources in sources.mk.
HOST_CC     ?= gcc
UNIT_CFLAGS := -std=gnu17 -O1 -g $(WARNINGS) -I. -fsanitize=address,undefined -fno-sanitize-recover=all \
               -fno-omit-frame-pointer --coverage
UNIT_FILES  := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_TESTS  := $(patsubst test_%.c,%,$(notdir $(UNIT_FILES)))
UNIT_RUN    := $(UNIT_TESTS:%=unit-%)

include tests/unit/sources.mk

.PHONY: test-unit coverage $(UNIT_RUN) unit-trace-tools

test-unit: check-names $(UNIT_RUN) unit-trace-tools  ## unit tests on the host, under ASan and UBSan

$(UNIT_RUN): unit-%: $(BUILD)/unit/test_%
	@mkdir -p $(BUILD)/unit/log
	@$< > $(BUILD)/unit/log/$*.txt 2>&1 || { cat $(BUILD)/unit/log/$*.txt; echo "unit test $* FAILED"; exit 1; }
	@grep -E '^\[  PASSED  \]' $(BUILD)/unit/log/$*.txt | sed 's/^/$*: /'

unit-trace-tools:
	@mkdir -p $(BUILD)/unit/log
	@python3 tests/unit/observe/test_trace_tools.py > $(BUILD)/unit/log/trace-tools.txt 2>&1 || \
	    { cat $(BUILD)/unit/log/trace-tools.txt; exit 1; }
	@grep PASSED $(BUILD)/unit/log/trace-tools.txt | sed 's/^/trace-tools: /'

coverage: test-unit  ## how much of each folder the unit tests run
	@BUILD=$(BUILD) python3 tests/unit/coverage.py

# What each program of the unit tests, the fuzzers and the replay is linked with; and what stands in for the rest of Keel:
# a library, of which a program takes a file where it has not the true one.
FAKES    := tests/unit/fake.c hv/host/witness.c hv/vm/bus.c
STANDINS := $(wildcard tests/standins/*/*.c tests/standins/*/*/*.c)

$(BUILD)/unit/standins.a: $(STANDINS:%.c=$(BUILD)/unit/%.o)
	@rm -f $@
	@ar rcs $@ $^

# One program a test: its own file, the fakes, and the sources that sources.mk names for it.
define unit_program
$(BUILD)/unit/test_$(1): $(patsubst %.c,$(BUILD)/unit/%.o,$(filter %/test_$(1).c,$(UNIT_FILES)) $(sort $(FAKES) $(sources_$(1)))) $(BUILD)/unit/standins.a
	@$$(HOST_CC) $$(UNIT_CFLAGS) $$^ -o $$@ -lcmocka $(libraries_$(1))
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_program,$(test))))

$(BUILD)/unit/%.o: %.c
	@mkdir -p $(@D)
	@rm -f $(@:.o=.gcda)
	@echo '  HOST $<'
	@$(HOST_CC) $(UNIT_CFLAGS) -MMD -MP -c $< -o $@

-include $(shell find $(BUILD)/unit -name '*.d' 2>/dev/null)
