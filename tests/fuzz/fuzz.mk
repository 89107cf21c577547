# Fuzzing with libFuzzer: each tests/fuzz/fuzz_NAME.c is one program; its sources are in sources.mk. What a
# fuzzer found stays in build/fuzz/corpus/NAME and is where the next run goes on. FUZZ_SECONDS: for each.
FUZZ_CC      := clang
FUZZ_SECONDS ?= 20
FUZZ_CFLAGS  := -std=gnu17 -O1 -g $(WARNINGS) -I. -fsanitize=fuzzer-no-link,address,undefined \
                -fno-sanitize-recover=all -fno-omit-frame-pointer
FUZZERS      := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_RUN     := $(FUZZERS:%=fuzz-%)

include tests/fuzz/sources.mk

.PHONY: test-fuzz $(FUZZ_RUN)

test-fuzz: $(FUZZ_RUN)  ## fuzz everything that takes input, FUZZ_SECONDS=20 each

$(FUZZ_RUN): fuzz-%: $(BUILD)/fuzz/fuzz_%
	@mkdir -p $(BUILD)/fuzz/corpus/$* $(BUILD)/fuzz/log
	@$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=$(BUILD)/fuzz/$*- \
	    $(BUILD)/fuzz/corpus/$* > $(BUILD)/fuzz/log/$*.txt 2>&1 || \
	    { tail -60 $(BUILD)/fuzz/log/$*.txt; echo "fuzzer $* FAILED: its input is $(BUILD)/fuzz/$*-..."; exit 1; }
	@echo "fuzz $*: $$(grep -oE 'Done [0-9]+ runs in [0-9]+ second' $(BUILD)/fuzz/log/$*.txt)s," \
	    "$$(grep -oE 'cov: [0-9]+' $(BUILD)/fuzz/log/$*.txt | tail -1)"

$(BUILD)/fuzz/standins.a: $(STANDINS:%.c=$(BUILD)/fuzz/%.o)
	@rm -f $@
	@ar rcs $@ $^

define fuzz_program
$(BUILD)/fuzz/fuzz_$(1): $(patsubst %.c,$(BUILD)/fuzz/%.o,tests/fuzz/fuzz_$(1).c $(sort $(FAKES) $(fuzz_sources_$(1)))) $(BUILD)/fuzz/standins.a
	@$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $$^ -o $$@
endef
$(foreach fuzzer,$(FUZZERS),$(eval $(call fuzz_program,$(fuzzer))))

$(BUILD)/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo '  FUZZ $<'
	@$(FUZZ_CC) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

-include $(shell find $(BUILD)/fuzz -name '*.d' 2>/dev/null)
