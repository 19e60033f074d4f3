/* From the step's folders to one reading; see step_counters.h. */
#include "step_counters.h"
#include "../system.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is told, by the names of daemon/slurmlens/metrics.py (a test compares them). Gauges of the moment are not: the tasks
 * have gone. */
static const char *const TOLD[SL_FIELDS] = {
        [SL_CPU_USAGE_NS] = "cpu_usage_ns",         [SL_CPU_USER_NS] = "cpu_user_ns",
        [SL_CPU_SYSTEM_NS] = "cpu_system_ns",       [SL_MEMORY_PEAK_BYTES] = "memory_peak_bytes",
        [SL_OOM_KILL_EVENTS] = "oom_kill_events",   [SL_IO_READ_BYTES] = "io_read_bytes",
        [SL_IO_WRITTEN_BYTES] = "io_written_bytes",
};

const char *told_counter(int field)
{
	return TOLD[field];
}

static uint64_t wanted_fields(void)
{
	uint64_t wanted = 0;
	for (int field = 0; field < SL_FIELDS; field++)
		if (TOLD[field])
			wanted |= UINT64_C(1) << field;
	return wanted;
}

static void add_task(struct step_counters *counters, int memory_folder, const char *task)
{
	char path[300];
	int length = snprintf(path, sizeof(path), "%.250s/memory.oom_control", task);
	int file = length > 0 ? openat(memory_folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	if (file < 0)
		return;
	if (sl_add_child_event(&counters->group, SL_OOM_KILL_EVENTS, file) != 0) {
		counters->has_too_many_tasks = 1;
		close(file);
	}
}

static void add_tasks(struct step_counters *counters, int memory_folder)
{
	int again = openat(memory_folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = again < 0 ? NULL : fdopendir(again);
	if (!listing) {
		if (again >= 0)
			close(again);
		return;
	}
	sl_give_child_space(&counters->group, counters->task_kills, TASK_FOLDERS_MAX);
	for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
		if (strncmp(entry->d_name, "task_", 5) == 0)
			add_task(counters, memory_folder, entry->d_name);
	closedir(listing);
}

static void open_counters(struct step_counters *counters, const struct step_place *place)
{
	struct counter_folders folders = find_counter_folders(place);
	counters->is_open = 1;
	sl_init(&counters->group, place->is_v2 ? SL_V2 : SL_V1, wanted_fields());
	for (int which = 0; which < 2; which++) {
		if (!folders.path[which][0])
			continue;
		int folder = open(folders.path[which], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (folder < 0)
			continue;
		sl_open_files(&counters->group, which, folder);
		if (which == 1)
			add_tasks(counters, folder);
		close(folder);
	}
}

void read_counters(struct step_counters *counters, const struct step_place *place)
{
	struct sl_group *group = &counters->group;
	struct sl_reading reading;
	if (!counters->is_open)
		open_counters(counters, place);
	sl_read_all(&group, 1, SL_TIER_FAST | SL_TIER_SLOW, &reading);
	if (!reading.have)
		return;
	if (counters->has_too_many_tasks)
		reading.have &= ~(UINT64_C(1) << SL_OOM_KILL_EVENTS);
	counters->reading = reading;
	counters->read_boottime_ns = read_clock(CLOCK_BOOTTIME);
}

void close_counters(struct step_counters *counters)
{
	if (counters->is_open)
		sl_close(&counters->group);
	counters->is_open = 0;
}
