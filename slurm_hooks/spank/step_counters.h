/* The step's counters as they were at the last task's exit; read by the C reader of cext/. */
#ifndef SLURMLENS_STEP_COUNTERS_H
#define SLURMLENS_STEP_COUNTERS_H

#include "../../cext/slurmlens_cgroup.h"
#include "step_place.h"

/* v1 counts OOM kills in the folder of the task that died: with more tasks than this a node they are not told. */
#define TASK_FOLDERS_MAX 128

struct step_counters {
	int is_open;
	int has_too_many_tasks;
	struct sl_group group;
	struct sl_child_event task_kills[TASK_FOLDERS_MAX];
	uint64_t read_boottime_ns; /* 0: never read */
	struct sl_reading reading;
};

/* Opens the files at the first call; a reading of nothing (the folder has gone) leaves the one before. */
void read_counters(struct step_counters *counters, const struct step_place *place);
void close_counters(struct step_counters *counters);

/* A field's name in the event; NULL for one that is not told. */
const char *told_counter(int field);

#endif
