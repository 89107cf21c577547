# The tools that everything needs: looked for once, and again whenever the list of them changes.
.PHONY: tools
tools: $(BUILD)/tools.stamp

$(BUILD)/tools.stamp: tests/setup.sh
	@tests/setup.sh
	@mkdir -p $(@D) && touch $@
