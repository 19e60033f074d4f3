/* Counting exit statuses; see exit_codes.h. */
#include "exit_codes.h"

#include <stddef.h>

static struct exit_count *find_or_add(struct exit_codes *codes, int32_t status)
{
	for (uint32_t i = 0; i < codes->statuses; i++)
		if (codes->of[i].status == status)
			return &codes->of[i];
	if (codes->statuses == STATUSES_MAX)
		return NULL;
	struct exit_count *fresh = &codes->of[codes->statuses++];
	*fresh = (struct exit_count){.status = status};
	return fresh;
}

void count_exit(struct exit_codes *codes, int32_t status, uint32_t task)
{
	struct exit_count *count = find_or_add(codes, status);
	if (!count)
		return;
	count->tasks++;
	if (count->named < TASKS_NAMED_MAX)
		count->task[count->named++] = task;
}
