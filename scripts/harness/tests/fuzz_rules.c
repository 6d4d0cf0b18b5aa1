// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fuzzer without a machine: its generator and its model, where all is answered as the model
 * says. Prints in how many rounds, and how often, each rule alone has refused an operation.
 *
 * usage: fuzz_rules ROUNDS KIB PLATFORM PAGE_SIZES
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define OPS	4000

/* The answer, where several are right: it is done, or else the first errno */
static long answer(const struct wanted *want)
{
	return want->results & 1 ? 0 : -__builtin_ctzll(want->results);
}

int main(int argc, char **argv)
{
	struct vfio_iommu_spapr_tce_info *info = machine.info;
	unsigned long alone[RULES] = { }, rounds[RULES] = { }, last[RULES], maps = 0;
	struct op op, before;
	struct wanted want;
	int round, i, rule;

	if (argc != 5)
		return 2;
	host.page = atoi(argv[2]) * KiB;
	host.powernv = !strcmp(argv[3], "powernv");
	machine.groups = GROUPS;
	machine.pages = MAX_PAGES;
	machine.memory = 2 * GiB;
	machine.dynamic_start[1] = SECOND_WINDOW;
	info[1].dma32_window_size = info[2].dma32_window_size = host.powernv ? 2 * GiB : GiB;
	info[2].ddw.pgsizes = strtoull(argv[4], NULL, 0);
	info[2].ddw.levels = host.powernv ? 5 : 1;
	for (round = 0; round < atoi(argv[1]); round++) {
		memcpy(last, alone, sizeof(last));
		model_init();
		gen_seed(round);
		for (i = 0; i < OPS; i++) {
			gen_op(&op, i ? &before : NULL);
			model_predict(&op, &want);
			maps += op.kind == OP_MAP;
			rule = rule_alone(&want);
			if (rule >= 0)
				alone[rule]++;
			model_apply(&op, answer(&want));
			before = op;
		}
		for (rule = 0; rule < RULES; rule++)
			rounds[rule] += alone[rule] > last[rule];
		for (i = 0; i < OBJECTS; i++)
			free(model.object[i].entry);
	}
	printf("%lu MAPs\n", maps);
	for (rule = 0; rule < RULES; rule++)
		if (rule_here(rule))
			printf("%lu rounds, %lu times: %s\n", rounds[rule], alone[rule],
			       rule_text(rule));
	return 0;
}
