/*
 * cgroup v2: the files of one folder (Documentation/admin-guide/cgroup-v2.rst). Which are there depends on the controllers
 * switched on above the folder and on the kernel (memory.peak from 5.19, pids.peak from 6.1).
 */
#include <errno.h>

#include "files.h"

#define NS_PER_US 1000

static const struct sl_key cpu_keys[] = {
        SL_KEY("usage_usec", SL_CPU_USAGE_NS, NS_PER_US),    SL_KEY("user_usec", SL_CPU_USER_NS, NS_PER_US),
        SL_KEY("system_usec", SL_CPU_SYSTEM_NS, NS_PER_US),  SL_KEY("nr_periods", SL_CPU_PERIODS, 1),
        SL_KEY("nr_throttled", SL_CPU_THROTTLED_PERIODS, 1), SL_KEY("throttled_usec", SL_CPU_THROTTLED_NS, NS_PER_US),
};

static const struct sl_key memory_keys[] = {
        SL_KEY("anon", SL_MEMORY_RSS_BYTES, 1),
        SL_KEY("file", SL_MEMORY_CACHE_BYTES, 1),
};

static const struct sl_key event_keys[] = {
        SL_KEY("high", SL_MEMORY_HIGH_EVENTS, 1),
        SL_KEY("max", SL_MEMORY_MAX_EVENTS, 1),
        SL_KEY("oom", SL_OOM_EVENTS, 1),
        SL_KEY("oom_kill", SL_OOM_KILL_EVENTS, 1),
};

/* Adds one " name=number" to its sum. Names we do not know (dbytes, ...) and their values are passed over. */
static int add_device_value(struct sl_text *line, uint64_t sums[4])
{
	static const char *const names[] = {"rbytes=", "wbytes=", "rios=", "wios="};
	static const size_t lengths[] = {7, 7, 5, 5};
	uint64_t number;

	if (!sl_take_word(line, " ", 1))
		return -EBADMSG;
	for (int i = 0; i < 4; i++) {
		if (!sl_take_word(line, names[i], lengths[i]))
			continue;
		return sl_take_u64(line, &number) || __builtin_add_overflow(sums[i], number, &sums[i]) ? -EBADMSG : 0;
	}
	while (line->at < line->end && *line->at != ' ')
		line->at++;
	return 0;
}

/*
 * Adds a line "major:minor rbytes=N wbytes=N rios=N wios=N ..."; a device without I/O may stand there alone. A device that is
 * being taken away is called "(unknown)": what it counted counts.
 */
static int add_device(struct sl_text line, uint64_t sums[4])
{
	static const char unknown[] = "(unknown)";
	uint64_t number;

	if (!sl_take_word(&line, unknown, sizeof(unknown) - 1) &&
	    (sl_take_u64(&line, &number) || !sl_take_word(&line, ":", 1) || sl_take_u64(&line, &number)))
		return -EBADMSG;
	while (line.at < line.end) {
		if (add_device_value(&line, sums))
			return -EBADMSG;
	}
	return 0;
}

/* io.stat has a line per device that did something: an empty file is the kernel's way to say 0. */
static int parse_io(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	uint64_t sums[4] = {0};
	struct sl_text line;

	while (sl_take_line(&text, &line)) {
		if (add_device(line, sums))
			return -EBADMSG;
	}
	for (int i = 0; i < 4; i++)
		sl_put(out, file->field + i, sums[i], 1);
	return 0;
}

#define NUMBER(name, tier, field) {name, 0, tier, field, 0, NULL, SL_BIT(field), sl_file_number}
#define KEYED(name, tier, keys, fields) {name, 0, tier, 0, sizeof(keys) / sizeof(keys[0]), keys, fields, sl_file_keyed}
#define PRESSURE(name, some) {name, 0, SL_TIER_FAST, some, 0, NULL, SL_BIT(some) | SL_BIT((some) + 1), sl_file_pressure}

static const struct sl_file files[] = {
        KEYED("cpu.stat", SL_TIER_FAST, cpu_keys,
	      SL_BIT(SL_CPU_USAGE_NS) | SL_BIT(SL_CPU_USER_NS) | SL_BIT(SL_CPU_SYSTEM_NS) |
	              SL_BIT(SL_CPU_THROTTLED_NS) | SL_BIT(SL_CPU_PERIODS) | SL_BIT(SL_CPU_THROTTLED_PERIODS)),
        NUMBER("memory.current", SL_TIER_FAST, SL_MEMORY_CURRENT_BYTES),
        NUMBER("memory.peak", SL_TIER_FAST, SL_MEMORY_PEAK_BYTES),
        KEYED("memory.events", SL_TIER_FAST, event_keys,
	      SL_BIT(SL_MEMORY_HIGH_EVENTS) | SL_BIT(SL_MEMORY_MAX_EVENTS) | SL_BIT(SL_OOM_EVENTS) |
	              SL_BIT(SL_OOM_KILL_EVENTS)),
        NUMBER("pids.current", SL_TIER_FAST, SL_PIDS_CURRENT),
        {"io.stat", 0, SL_TIER_FAST, SL_IO_READ_BYTES, 0, NULL,
	 SL_BIT(SL_IO_READ_BYTES) | SL_BIT(SL_IO_WRITTEN_BYTES) | SL_BIT(SL_IO_READS) | SL_BIT(SL_IO_WRITES), parse_io},
        PRESSURE("cpu.pressure", SL_PRESSURE_CPU_SOME_US),
        PRESSURE("memory.pressure", SL_PRESSURE_MEMORY_SOME_US),
        PRESSURE("io.pressure", SL_PRESSURE_IO_SOME_US),
        {"memory.max", 0, SL_TIER_SLOW, SL_MEMORY_LIMIT_BYTES, 0, NULL, SL_BIT(SL_MEMORY_LIMIT_BYTES),
	 sl_file_number_or_max},
        KEYED("memory.stat", SL_TIER_SLOW, memory_keys, SL_BIT(SL_MEMORY_RSS_BYTES) | SL_BIT(SL_MEMORY_CACHE_BYTES)),
        NUMBER("memory.swap.current", SL_TIER_SLOW, SL_MEMORY_SWAP_BYTES),
        NUMBER("pids.peak", SL_TIER_SLOW, SL_PIDS_PEAK),
};

const struct sl_table sl_table_v2 = {files, sizeof(files) / sizeof(files[0]), 1};
