/* How a step's tasks on this node ended: every exit status with how many ended so and which. Bounded, whatever they do. */
#ifndef SLURMLENS_EXIT_CODES_H
#define SLURMLENS_EXIT_CODES_H

#include <stdint.h>

/* Of 128 tasks 127 end alike: a few statuses and a few names of each say all that anybody looks for. */
#define STATUSES_MAX 16
#define TASKS_NAMED_MAX 8

struct exit_count {
	int32_t status; /* as wait(2) has it */
	uint32_t tasks;
	uint32_t named;
	uint32_t task[TASKS_NAMED_MAX]; /* the first that ended so, by their number in the whole step */
};

/* `ended` counts every task, also those whose status is not known or found no place. */
struct exit_codes {
	uint32_t ended;
	uint32_t statuses;
	struct exit_count of[STATUSES_MAX];
};

void count_exit(struct exit_codes *codes, int32_t status, uint32_t task);

#endif
