# What cores do to each other, as threads under ThreadSanitizer: each tests/tsan/tsan_NAME.c is one program.
TSAN_CC      := gcc
TSAN_SECONDS ?= 10
TSAN_CFLAGS  := -std=gnu17 -O1 -g $(WARNINGS) -I. -fsanitize=thread -fno-omit-frame-pointer
TSAN_TESTS   := $(patsubst tests/tsan/tsan_%.c,%,$(sort $(wildcard tests/tsan/tsan_*.c)))
TSAN_RUN     := $(TSAN_TESTS:%=tsan-%)

# tsan_sources_NAME: what it is linked with, besides tests/unit/fake.c and the stand-ins.
tsan_sources_board := tests/fuzz/pc.c tests/unit/privileged.c hv/host/timer.c $(sources_board)

.PHONY: test-tsan $(TSAN_RUN)

test-tsan: $(TSAN_RUN)  ## threads under ThreadSanitizer, TSAN_SECONDS=10 each

$(TSAN_RUN): tsan-%: $(BUILD)/tsan/tsan_%
	@mkdir -p $(BUILD)/tsan/log
	@TSAN_OPTIONS=halt_on_error=0 $< $(TSAN_SECONDS) > $(BUILD)/tsan/log/$*.txt 2>&1 || \
	    { head -120 $(BUILD)/tsan/log/$*.txt; echo "threads $* FAILED: $(BUILD)/tsan/log/$*.txt"; exit 1; }
	@echo "threads $*: $(TSAN_SECONDS) seconds, no report"

$(BUILD)/tsan/standins.a: $(STANDINS:%.c=$(BUILD)/tsan/%.o)
	@rm -f $@
	@ar rcs $@ $^

define tsan_program
$(BUILD)/tsan/tsan_$(1): $(patsubst %.c,$(BUILD)/tsan/%.o,tests/tsan/tsan_$(1).c $(sort $(FAKES) $(tsan_sources_$(1)))) $(BUILD)/tsan/standins.a
	@$$(TSAN_CC) -fsanitize=thread $$^ -o $$@ -lpthread
endef
$(foreach test,$(TSAN_TESTS),$(eval $(call tsan_program,$(test))))

$(BUILD)/tsan/%.o: %.c
	@mkdir -p $(@D)
	@echo '  TSAN $<'
	@$(TSAN_CC) $(TSAN_CFLAGS) -MMD -MP -c $< -o $@

-include $(shell find $(BUILD)/tsan -name '*.d' 2>/dev/null)
