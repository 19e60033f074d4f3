/* A step's cgroup out of /proc/self; see step_place.h. */
#include "step_place.h"
#include "lines.h"

#include <stdio.h>
#include <string.h>

/* Tests have a /proc of their own. */
#ifndef PROC_SELF
#define PROC_SELF "/proc/self"
#endif

#define SCOPE_END "_slurmstepd.scope"
#define V1_BEGIN "slurm_"

static void copy(char *to, size_t size, const char *from, size_t length)
{
	if (length >= size)
		length = 0; /* half a name is none */
	memcpy(to, from, length);
	to[length] = 0;
}

/* A component of v2's path `<NodeName>_slurmstepd.scope`, or of v1's `slurm_<NodeName>`. */
static void take_node(struct step_place *place, const char *name, size_t length)
{
	const size_t end = sizeof(SCOPE_END) - 1, begin = sizeof(V1_BEGIN) - 1;
	if (place->is_v2 && length > end && memcmp(name + length - end, SCOPE_END, end) == 0)
		copy(place->node, sizeof(place->node), name, length - end);
	if (!place->is_v2 && length > begin && memcmp(name, V1_BEGIN, begin) == 0)
		copy(place->node, sizeof(place->node), name + begin, length - begin);
}

/* `path` ends with the step's folder; the component before that is the job's. */
static void take_path(struct step_place *place, const char *path, const char *step)
{
	const char *job = path;
	for (const char *at = path; at < step; at++) {
		if (*at != '/')
			continue;
		size_t length = strcspn(at + 1, "/");
		take_node(place, at + 1, length);
		job = at + 1;
	}
	size_t length = (size_t)(step - job);
	if (strncmp(job, "job_", 4) != 0)
		copy(place->sluid, sizeof(place->sluid), job, length);
	copy(place->step, sizeof(place->step), path, (size_t)(step - path) + 1 + strcspn(step + 1, "/"));
}

/* "4:memory:/slurm_n0/uid_0/job_1/step_0"; version 2's line begins with "0::". The first with a step is taken. */
static int look_at_cgroup(const char *line, void *found)
{
	struct step_place *place = found;
	const char *controllers = strchr(line, ':');
	const char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	const char *step = path ? strstr(path + 1, "/step_") : NULL;
	if (!step)
		return 0;
	place->is_v2 = path == controllers + 1;
	take_path(place, path + 1, step);
	return place->step[0] != 0;
}

struct step_place find_step_place(void)
{
	struct step_place place;
	memset(&place, 0, sizeof(place));
	for_each_line(PROC_SELF "/cgroup", look_at_cgroup, &place);
	return place;
}

/* ---- where the counters are ---- */

struct mount_search {
	const struct step_place *place;
	struct counter_folders folders;
};

static int has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = list; (at = strstr(at, word)) != NULL; at += length)
		if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == 0))
			return 1;
	return 0;
}

static void set_folder(struct mount_search *search, int which, const char *mount_point, const char *end)
{
	char *path = search->folders.path[which];
	int length = snprintf(path, LONGEST_PATH, "%s%s%s", mount_point, search->place->step, end);
	if (length < 0 || length >= LONGEST_PATH)
		path[0] = 0;
}

/* "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu" (proc(5), mountinfo). */
static int look_at_mount(const char *line, void *found)
{
	struct mount_search *search = found;
	char root[LONGEST_PATH], mount_point[LONGEST_PATH], type[16], options[LONGEST_PATH];
	const char *separator = strstr(line, " - ");
	if (!separator || sscanf(line, "%*d %*d %*s %1023s %1023s", root, mount_point) != 2 ||
	    sscanf(separator, " - %15s %*s %1023s", type, options) != 2 || strcmp(root, "/") != 0)
		return 0;
	if (search->place->is_v2) {
		if (strcmp(type, "cgroup2") == 0)
			set_folder(search, 0, mount_point, "/user");
	} else if (strcmp(type, "cgroup") == 0) {
		if (has_word(options, "cpuacct"))
			set_folder(search, 0, mount_point, "");
		if (has_word(options, "memory"))
			set_folder(search, 1, mount_point, "");
	}
	return 0;
}

struct counter_folders find_counter_folders(const struct step_place *place)
{
	struct mount_search search;
	memset(&search, 0, sizeof(search));
	search.place = place;
	if (place->step[0])
		for_each_line(PROC_SELF "/mountinfo", look_at_mount, &search);
	return search.folders;
}
