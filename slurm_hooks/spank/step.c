/* Asking Slurm about a step; see step.h. */
#include "step.h"

#include <string.h>

/* Slurm fills in 32 bits of all but the last (spank.h). */
static const struct {
	const char *name;
	spank_item_t item;
	int is_64_bits;
} ITEMS[STEP_NUMBERS] = {
        [JOB_ID] = {"job_id", S_JOB_ID, 0},
        [STEP_ID] = {"step_id", S_JOB_STEPID, 0},
        [USER_ID] = {"user_id", S_JOB_UID, 0},
        [GROUP_ID] = {"group_id", S_JOB_GID, 0},
        [NODE_INDEX] = {"node_index", S_JOB_NODEID, 0},
        [TASKS_HERE] = {"tasks", S_JOB_LOCAL_TASK_COUNT, 0},
        [TASKS_IN_ALL] = {"tasks_in_all", S_JOB_TOTAL_TASK_COUNT, 0},
        [RESTART_COUNT] = {"restart_count", S_SLURM_RESTART_COUNT, 0},
        [MEMORY_MIB] = {"memory_mib", S_STEP_ALLOC_MEM, 1},
};

int is_known(const struct step *step, enum step_number number)
{
	return step->known >> number & 1;
}

const char *number_name(enum step_number number)
{
	return ITEMS[number].name;
}

static void ask_number(struct step *step, spank_t spank, int which)
{
	uint64_t wide = 0;
	uint32_t narrow = 0;
	spank_err_t answer = ITEMS[which].is_64_bits ? spank_get_item(spank, ITEMS[which].item, &wide)
	                                             : spank_get_item(spank, ITEMS[which].item, &narrow);
	if (answer != ESPANK_SUCCESS)
		return;
	step->number[which] = ITEMS[which].is_64_bits ? wide : narrow;
	step->known |= UINT32_C(1) << which;
}

void look_at_step(struct step *step, spank_t spank)
{
	char *cores = NULL;
	for (int which = 0; which < STEP_NUMBERS; which++)
		ask_number(step, spank, which);
	if (spank_get_item(spank, S_STEP_ALLOC_CORES, &cores) == ESPANK_SUCCESS && cores &&
	    strlen(cores) < sizeof(step->cores))
		memcpy(step->cores, cores, strlen(cores) + 1);
	step->place = find_step_place();
	step->requests = read_requests(spank);
}
