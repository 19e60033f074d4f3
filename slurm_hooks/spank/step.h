/* What is known of the step that this slurmstepd runs. */
#ifndef SLURMLENS_STEP_H
#define SLURMLENS_STEP_H

#include "exit_codes.h"
#include "requests.h"
#include "step_counters.h"
#include "step_place.h"

#include <slurm/spank.h>
#include <stdint.h>

/* What Slurm says of it in numbers; the names in the event stand in step.c. */
enum step_number {
	JOB_ID,
	STEP_ID,
	USER_ID,
	GROUP_ID,
	NODE_INDEX,
	TASKS_HERE,
	TASKS_IN_ALL,
	RESTART_COUNT,
	MEMORY_MIB,
	STEP_NUMBERS
};

struct step {
	uint64_t number[STEP_NUMBERS];
	uint32_t known; /* bit i: number i was told */
	char cores[256]; /* "0-1,4"; "" where not told, or too long */
	struct step_place place;
	struct requests requests;
	struct exit_codes exits;
	struct step_counters counters;
};

int is_known(const struct step *step, enum step_number number);
const char *number_name(enum step_number number);

/* Asks Slurm for everything; what it does not tell stays unknown. */
void look_at_step(struct step *step, spank_t spank);

#endif
