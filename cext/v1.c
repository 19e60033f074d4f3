/*
 * cgroup v1: the files of a job in cpuacct and memory (Documentation/admin-guide/cgroup-v1/{cpuacct,memory}.rst).
 * cpu.stat is there only where cpu and cpuacct are mounted together. memory.stat of a folder that has only subfolders says
 * 0 without the prefix total_.
 */
#include <string.h>

#include "files.h"

#define NS_PER_USER_TICK (UINT64_C(1000000000) / 100)

/* "No limit" is the greatest page-aligned number below 2^63, whatever the page size (4 to 64 KiB). */
#define NO_LIMIT_FROM UINT64_C(0x7fffffffffff0000)

static const struct sl_key throttling_keys[] = {
        SL_KEY("nr_periods", SL_CPU_PERIODS, 1),
        SL_KEY("nr_throttled", SL_CPU_THROTTLED_PERIODS, 1),
        SL_KEY("throttled_time", SL_CPU_THROTTLED_NS, 1),
};

static const struct sl_key memory_keys[] = {
        SL_KEY("total_cache", SL_MEMORY_CACHE_BYTES, 1),
        SL_KEY("total_rss", SL_MEMORY_RSS_BYTES, 1),
        SL_KEY("total_swap", SL_MEMORY_SWAP_BYTES, 1),
};

static const struct sl_key oom_keys[] = {
        SL_KEY("oom_kill", SL_OOM_KILL_EVENTS, 1),
};

/* The line that is wanted comes last; two that hardly ever say anything else are passed over at once. */
static int parse_oom_control(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	static const char usual[] = "oom_kill_disable 0\nunder_oom 0\n";
	const size_t length = sizeof(usual) - 1;

	if ((size_t)(text.end - text.at) > length && memcmp(text.at, usual, length) == 0)
		text.at += length;
	return sl_file_keyed(file, text, out);
}

/* cpuacct.stat counts in USER_HZ, which Linux keeps at 100 towards user space on every architecture that Slurm runs on. */
static int parse_cpu_ticks(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	static const struct sl_key keys[] = {
	        SL_KEY("user", SL_CPU_USER_NS, NS_PER_USER_TICK),
	        SL_KEY("system", SL_CPU_SYSTEM_NS, NS_PER_USER_TICK),
	};

	(void)file;
	return sl_parse_keyed(text, keys, 2, out);
}

static int parse_limit(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	uint64_t value;
	int rc = sl_parse_single(text, &value);

	if (rc || value >= NO_LIMIT_FROM)
		return rc;
	return sl_put(out, file->field, value, 1);
}

enum { CPUACCT, MEMORY };

#define NUMBER(name, folder, tier, field) {name, folder, tier, field, 0, NULL, SL_BIT(field), sl_file_number}

static const struct sl_file files[] = {
        NUMBER("cpuacct.usage", CPUACCT, SL_TIER_FAST, SL_CPU_USAGE_NS),
        {"cpuacct.stat", CPUACCT, SL_TIER_FAST, SL_CPU_USER_NS, 0, NULL,
	 SL_BIT(SL_CPU_USER_NS) | SL_BIT(SL_CPU_SYSTEM_NS), parse_cpu_ticks},
        {"cpu.stat", CPUACCT, SL_TIER_FAST, SL_CPU_PERIODS, 3, throttling_keys,
	 SL_BIT(SL_CPU_PERIODS) | SL_BIT(SL_CPU_THROTTLED_PERIODS) | SL_BIT(SL_CPU_THROTTLED_NS), sl_file_keyed},
        NUMBER("memory.usage_in_bytes", MEMORY, SL_TIER_FAST, SL_MEMORY_CURRENT_BYTES),
        NUMBER("memory.max_usage_in_bytes", MEMORY, SL_TIER_FAST, SL_MEMORY_PEAK_BYTES),
        NUMBER("memory.failcnt", MEMORY, SL_TIER_FAST, SL_MEMORY_MAX_EVENTS),
        {"memory.oom_control", MEMORY, SL_TIER_FAST, SL_OOM_KILL_EVENTS, 1, oom_keys, SL_BIT(SL_OOM_KILL_EVENTS),
	 parse_oom_control},
        {"memory.limit_in_bytes", MEMORY, SL_TIER_SLOW, SL_MEMORY_LIMIT_BYTES, 0, NULL, SL_BIT(SL_MEMORY_LIMIT_BYTES),
	 parse_limit},
        {"memory.stat", MEMORY, SL_TIER_SLOW, SL_MEMORY_RSS_BYTES, 3, memory_keys,
	 SL_BIT(SL_MEMORY_RSS_BYTES) | SL_BIT(SL_MEMORY_CACHE_BYTES) | SL_BIT(SL_MEMORY_SWAP_BYTES), sl_file_keyed},
};

const struct sl_table sl_table_v1 = {files, sizeof(files) / sizeof(files[0]), 2};
