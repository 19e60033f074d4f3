/* Opens and reads recorded trees, and folders of our own that are damaged or taken away. argv[1]: the unpacked trees. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define ALL (~UINT64_C(0))
#define BOTH (SL_TIER_FAST | SL_TIER_SLOW)

static const char *trees;

static int open_at(struct sl_group *group, int folder, const char *path)
{
	int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (directory < 0)
		return -errno;
	rc = sl_open_files(group, folder, directory);
	close(directory);
	return rc;
}

static int open_recorded(struct sl_group *group, int folder, const char *path)
{
	char whole[4096];

	snprintf(whole, sizeof(whole), "%s/%s", trees, path);
	return open_at(group, folder, whole);
}

static struct sl_reading read_one(struct sl_group *group, int tiers)
{
	struct sl_group *groups[] = {group};
	struct sl_reading out;

	memset(&out, 0xff, sizeof(out));
	sl_read_all(groups, 1, tiers, &out);
	return out;
}

static void test_recorded_v1(void)
{
	struct sl_group group;
	struct sl_reading out;

	sl_init(&group, SL_V1, ALL);
	CHECK(open_recorded(&group, 0, "v1-slurm-22.05/cgroup/cpuacct/slurm_hvn0/uid_0/job_1") == 2);
	CHECK(open_recorded(&group, 1, "v1-slurm-22.05/cgroup/memory/slurm_hvn0/uid_0/job_1") == 6);
	CHECK(open_recorded(&group, 1, "v1-slurm-22.05/cgroup/memory/slurm_hvn0/uid_0/job_1") == 0);
	out = read_one(&group, BOTH);
	CHECK(out.error == 0);
	CHECK_FIELD(&out, SL_CPU_USAGE_NS, UINT64_C(6642569753));
	CHECK_FIELD(&out, SL_CPU_USER_NS, UINT64_C(6230000000));
	CHECK_FIELD(&out, SL_MEMORY_CURRENT_BYTES, 170917888);
	CHECK_FIELD(&out, SL_MEMORY_PEAK_BYTES, 171429888);
	CHECK_FIELD(&out, SL_MEMORY_LIMIT_BYTES, 629145600);
	CHECK_FIELD(&out, SL_MEMORY_RSS_BYTES, 165412864);
	CHECK_FIELD(&out, SL_MEMORY_CACHE_BYTES, 3416064);
	CHECK_FIELD(&out, SL_OOM_KILL_EVENTS, 0);
	CHECK_NO_FIELD(&out, SL_PIDS_CURRENT);
	CHECK_NO_FIELD(&out, SL_IO_READ_BYTES);
	CHECK_NO_FIELD(&out, SL_PRESSURE_CPU_SOME_US);
	sl_close(&group);
	CHECK(read_one(&group, BOTH).error == ENODEV);
	CHECK_U64(read_one(&group, BOTH).have, 0);
}

static void test_recorded_v2(void)
{
	struct sl_group group;
	struct sl_reading fast, both;

	sl_init(&group, SL_V2, ALL);
	CHECK(open_recorded(&group, 0,
	                    "v2-slurm-26.05/cgroup-io-pids/system.slice/vmnode_slurmstepd.scope/sAZNM81H9YSG00") == 13);
	fast = read_one(&group, SL_TIER_FAST);
	both = read_one(&group, BOTH);
	CHECK_FIELD(&both, SL_CPU_USAGE_NS, UINT64_C(201744611000));
	CHECK_FIELD(&both, SL_IO_READ_BYTES, 106954752);
	CHECK_FIELD(&both, SL_MEMORY_LIMIT_BYTES, 629145600);
	CHECK_U64(both.have, (UINT64_C(1) << SL_FIELDS) - 1);
	CHECK_NO_FIELD(&fast, SL_MEMORY_LIMIT_BYTES);
	CHECK_NO_FIELD(&fast, SL_MEMORY_RSS_BYTES);
	CHECK_FIELD(&fast, SL_CPU_USAGE_NS, both.value[SL_CPU_USAGE_NS]);
	sl_close(&group);
}

static void test_only_wanted_files_are_opened(void)
{
	struct sl_group group;
	struct sl_reading out;

	sl_init(&group, SL_V2, SL_BIT(SL_CPU_USAGE_NS));
	CHECK(open_recorded(&group, 0, "v2-slurm-22.05/cgroup/system.slice/vmnode_slurmstepd.scope/job_8") == 1);
	out = read_one(&group, BOTH);
	CHECK_U64(out.have, SL_BIT(SL_CPU_USAGE_NS));
	CHECK_NO_FIELD(&out, SL_CPU_USER_NS);
	sl_close(&group);
}

static void write_file(const char *folder, const char *name, const char *text, size_t length)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (file == NULL || fwrite(text, 1, length, file) != length || fclose(file) != 0) {
		perror(path);
		exit(2);
	}
}

static void test_a_bad_file_spoils_only_itself(const char *folder)
{
	static char huge[SL_TEXT_MAX + 100];
	struct sl_group group;
	struct sl_reading out;

	memset(huge, '0', sizeof(huge)); /* cut off, it would be a fine 0 */
	huge[sizeof(huge) - 1] = '7';
	write_file(folder, "cpu.stat", "usage_usec 5\nuser_usec ?\n", 25);
	write_file(folder, "memory.current", "", 0);
	write_file(folder, "memory.peak", huge, sizeof(huge));
	write_file(folder, "pids.current", "17\n", 3);
	sl_init(&group, SL_V2, ALL);
	CHECK(open_at(&group, 0, folder) == 4);
	out = read_one(&group, BOTH);
	CHECK_FIELD(&out, SL_PIDS_CURRENT, 17);
	CHECK_NO_FIELD(&out, SL_CPU_USAGE_NS);
	CHECK_NO_FIELD(&out, SL_MEMORY_CURRENT_BYTES);
	CHECK_NO_FIELD(&out, SL_MEMORY_PEAK_BYTES);
	CHECK(out.error == EBADMSG);
	CHECK_U64(out.failed_files, 3);
	sl_close(&group);
}

static void test_events_of_children_are_added_and_outlive_them(const char *folder)
{
	struct sl_child_event space[2], more[4];
	struct sl_group group;
	struct sl_reading out;
	char path[4096];

	write_file(folder, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 42);
	write_file(folder, "memory.failcnt", "3\n", 2);
	snprintf(path, sizeof(path), "%s/memory.oom_control", folder);
	sl_init(&group, SL_V1, ALL);
	CHECK(open_at(&group, 1, folder) == 2);
	CHECK(sl_give_child_space(&group, space, 2) == 0);
	CHECK(sl_add_child_event(&group, SL_OOM_KILL_EVENTS, open(path, O_RDONLY | O_CLOEXEC)) == 0);
	CHECK(sl_add_child_event(&group, SL_OOM_KILL_EVENTS, open(path, O_RDONLY | O_CLOEXEC)) == 0);
	CHECK(sl_add_child_event(&group, SL_OOM_KILL_EVENTS, 0) == -ENOSPC);
	CHECK(sl_add_child_event(&group, SL_CPU_USAGE_NS, 0) == -EINVAL);
	CHECK(sl_give_child_space(&group, more, 1) == -EINVAL);
	CHECK(sl_give_child_space(&group, more, 4) == 0);
	snprintf(path, sizeof(path), "%s/memory.failcnt", folder);
	CHECK(sl_add_child_event(&group, SL_MEMORY_MAX_EVENTS, open(path, O_RDONLY | O_CLOEXEC)) == 0);
	out = read_one(&group, SL_TIER_FAST);
	CHECK_FIELD(&out, SL_OOM_KILL_EVENTS, 3);
	CHECK_FIELD(&out, SL_MEMORY_MAX_EVENTS, 3);
	out = read_one(&group, BOTH);
	CHECK_FIELD(&out, SL_MEMORY_MAX_EVENTS, 6);
	out = read_one(&group, SL_TIER_FAST);
	CHECK_FIELD(&out, SL_MEMORY_MAX_EVENTS, 6);
	sl_close(&group);
}

/* Before Linux 4.13 kills are not counted: nothing is added, least of all what happens to lie in memory. */
static void test_a_child_that_does_not_count_kills_adds_none(const char *folder)
{
	struct sl_child_event space[1];
	struct sl_group group;
	struct sl_reading out;
	char path[4096];

	write_file(folder, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", 42);
	write_file(folder, "before-4.13", "oom_kill_disable 0\nunder_oom 0\n", 31);
	snprintf(path, sizeof(path), "%s/before-4.13", folder);
	sl_init(&group, SL_V1, ALL);
	CHECK(open_at(&group, 1, folder) == 2);
	CHECK(sl_give_child_space(&group, space, 1) == 0);
	CHECK(sl_add_child_event(&group, SL_OOM_KILL_EVENTS, open(path, O_RDONLY | O_CLOEXEC)) == 0);
	out = read_one(&group, SL_TIER_FAST);
	CHECK_FIELD(&out, SL_OOM_KILL_EVENTS, 4);
	sl_close(&group);
}

static void test_another_folder_of_the_same_name_is_refused(const char *folder)
{
	struct sl_group group;

	sl_init(&group, SL_V2, ALL);
	CHECK(open_at(&group, 0, folder) >= 0);
	CHECK(open_at(&group, 0, "/") == -ESTALE);
	CHECK(open_at(&group, 1, folder) == -EINVAL);
	sl_close(&group);
}

static void test_nothing_there_is_gone(void)
{
	struct sl_group group;

	sl_init(&group, SL_V2, ALL);
	CHECK(read_one(&group, BOTH).error == ENOENT);
	sl_close(&group);
	sl_close(&group);
}

int main(int argc, char **argv)
{
	char scratch[] = "/tmp/sl-test-XXXXXX";
	char command[64];

	if (argc != 2 || mkdtemp(scratch) == NULL)
		return 2;
	trees = argv[1];
	test_recorded_v1();
	test_recorded_v2();
	test_only_wanted_files_are_opened();
	test_a_bad_file_spoils_only_itself(scratch);
	test_events_of_children_are_added_and_outlive_them(scratch);
	test_a_child_that_does_not_count_kills_adds_none(scratch);
	test_another_folder_of_the_same_name_is_refused(scratch);
	test_nothing_there_is_gone();
	snprintf(command, sizeof(command), "rm -r %s", scratch);
	return system(command) != 0 || end_of_checks("reader");
}
