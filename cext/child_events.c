/*
 * v1 counts events only where they happened: an OOM kill in the folder of the task that died, a refused charge in the
 * folder and by the counter (memory, or memory and swap) whose limit it met; measured on Linux 6.18. A job's figure is its
 * own plus its descendants', and the last word of a folder still counts when it has gone. Kills are read in the fast tier,
 * for a task's folder goes soon after; refused charges in the slow one, in between they stay as they were.
 */
#include <errno.h>
#include <unistd.h>

#include "group.h"

static int slot_of(int field)
{
	return field == SL_OOM_KILL_EVENTS ? 0 : 1;
}

int sl_give_child_space(struct sl_group *group, struct sl_child_event *array, int space)
{
	int kept = 0;

	for (int i = 0; i < group->children; i++)
		kept += group->child[i].fd >= 0;
	if (kept > space)
		return -EINVAL;
	kept = 0;
	for (int i = 0; i < group->children; i++) {
		if (group->child[i].fd >= 0)
			array[kept++] = group->child[i];
	}
	group->child = array;
	group->children = kept;
	group->child_space = space;
	return 0;
}

int sl_add_child_event(struct sl_group *group, int field, int fd)
{
	int slot = 0;

	if (field != SL_OOM_KILL_EVENTS && field != SL_MEMORY_MAX_EVENTS)
		return -EINVAL;
	while (slot < group->children && group->child[slot].fd >= 0)
		slot++;
	if (slot >= group->child_space)
		return -ENOSPC;
	group->child[slot] = (struct sl_child_event){.fd = fd, .field = field, .last = 0};
	if (slot == group->children)
		group->children++;
	return 0;
}

static int parse_event(const struct sl_child_event *child, struct sl_text text, uint64_t *value)
{
	static const struct sl_key oom_key[] = {SL_KEY("oom_kill", SL_OOM_KILL_EVENTS, 1)};
	struct sl_reading one;
	int rc;

	if (child->field == SL_MEMORY_MAX_EVENTS)
		return sl_parse_single(text, value);
	one.have = 0;
	rc = sl_parse_keyed(text, oom_key, 1, &one);
	if (rc == 0)
		*value = one.value[SL_OOM_KILL_EVENTS];
	return rc;
}

/* Reads one; a folder that has gone leaves its last word in `settled`, and its slot is free. */
static void read_child(struct sl_group *group, struct sl_child_event *child, char buffer[SL_TEXT_MAX])
{
	struct sl_text text;
	uint64_t value;
	int rc = sl_read_text(child->fd, buffer, &text);

	if (rc == -ENODEV) {
		group->settled[slot_of(child->field)] += child->last;
		close(child->fd);
		child->fd = -1;
	} else if (rc == 0 && parse_event(child, text, &value) == 0) {
		child->last = value;
	}
}

static uint64_t sum_children(struct sl_group *group, int field, int read, char buffer[SL_TEXT_MAX])
{
	uint64_t living = 0;

	for (int i = 0; i < group->children; i++) {
		struct sl_child_event *child = &group->child[i];

		if (child->fd < 0 || child->field != field)
			continue;
		if (read)
			read_child(group, child, buffer);
		if (child->fd >= 0)
			living += child->last;
	}
	return group->settled[slot_of(field)] + living;
}

void sl_read_child_events(struct sl_group *group, int tiers, char buffer[SL_TEXT_MAX], struct sl_reading *out)
{
	if (out->have & SL_BIT(SL_OOM_KILL_EVENTS))
		out->value[SL_OOM_KILL_EVENTS] += sum_children(group, SL_OOM_KILL_EVENTS, tiers & SL_TIER_FAST, buffer);
	if (out->have & SL_BIT(SL_MEMORY_MAX_EVENTS))
		out->value[SL_MEMORY_MAX_EVENTS] +=
		        sum_children(group, SL_MEMORY_MAX_EVENTS, tiers & SL_TIER_SLOW, buffer);
}

void sl_close_children(struct sl_group *group)
{
	for (int i = 0; i < group->children; i++) {
		if (group->child[i].fd >= 0)
			close(group->child[i].fd);
		group->child[i].fd = -1;
	}
	group->children = 0;
}
