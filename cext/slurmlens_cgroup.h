/*
 * Reads cgroup counters: open once, one pread per file per sample, parsed into records that the caller owns.
 *
 * Owns the record that the C reader and daemon/slurmlens share: the order of SL_* fields is that of metrics.FIELDS (a test
 * compares the two). Functions return 0 or a negative errno. Nothing here allocates, writes, or keeps global state; a group
 * may be read by one thread at a time. Used by slurmlens._cgroup (cffi) and by the SPANK plugin (slurm_hooks/spank).
 */
#ifndef SLURMLENS_CGROUP_H
#define SLURMLENS_CGROUP_H

#include <stddef.h>
#include <stdint.h>

enum sl_field {
	SL_CPU_USAGE_NS,
	SL_CPU_USER_NS,
	SL_CPU_SYSTEM_NS,
	SL_CPU_THROTTLED_NS,
	SL_CPU_PERIODS,
	SL_CPU_THROTTLED_PERIODS,
	SL_MEMORY_CURRENT_BYTES,
	SL_MEMORY_PEAK_BYTES,
	SL_MEMORY_LIMIT_BYTES,
	SL_MEMORY_RSS_BYTES,
	SL_MEMORY_CACHE_BYTES,
	SL_MEMORY_SWAP_BYTES,
	SL_MEMORY_HIGH_EVENTS,
	SL_MEMORY_MAX_EVENTS,
	SL_OOM_EVENTS,
	SL_OOM_KILL_EVENTS,
	SL_PIDS_CURRENT,
	SL_PIDS_PEAK,
	SL_IO_READ_BYTES,
	SL_IO_WRITTEN_BYTES,
	SL_IO_READS,
	SL_IO_WRITES,
	SL_PRESSURE_CPU_SOME_US,
	SL_PRESSURE_CPU_FULL_US,
	SL_PRESSURE_MEMORY_SOME_US,
	SL_PRESSURE_MEMORY_FULL_US,
	SL_PRESSURE_IO_SOME_US,
	SL_PRESSURE_IO_FULL_US,
	SL_FIELDS
};

/* How often a file is read; a call names the tiers it wants, or-ed. */
enum sl_tier { SL_TIER_FAST = 1, SL_TIER_SLOW = 2 };

/* Which files a group has, and in how many folders: v1 two (cpuacct, memory), the others one. */
enum sl_hierarchy { SL_V1, SL_V2, SL_NODE_PRESSURE };

enum { SL_FOLDERS_MAX = 2, SL_FILES_MAX = 16 };

/*
 * One reading. Bit i of `have` says that value[i] was read; other values are 0 and mean nothing.
 * `error`: 0; ENODEV or ENOENT when the cgroup has gone (have is 0 then); else the errno of the first file that could not
 * be used: EBADMSG damaged or empty, EFBIG longer than the buffer, or the kernel's.
 */
struct sl_reading {
	uint64_t value[SL_FIELDS];
	uint64_t have;
	int32_t error;
	uint32_t failed_files;
};

/*
 * An event counter that is added to the group's own: v1 counts an OOM kill only in the folder of the task that died, and a
 * refused charge only in the folder and by the counter whose limit it met (see child_events.c).
 */
struct sl_child_event {
	int32_t fd;
	int32_t field; /* SL_OOM_KILL_EVENTS or SL_MEMORY_MAX_EVENTS */
	uint64_t last; /* what it said last: it still counts when the folder has gone */
};

struct sl_group {
	int32_t fd[SL_FILES_MAX]; /* -1: not open */
	int32_t hierarchy;
	int32_t files;
	uint64_t wanted; /* fields, as a mask */
	uint64_t folder_inode[SL_FOLDERS_MAX]; /* 0: not seen yet */
	struct sl_child_event *child; /* the caller's array, see sl_give_child_space */
	int32_t children;
	int32_t child_space;
	uint64_t settled[2]; /* of dead children: OOM kills, refused charges */
};

/* Makes a group without files that wants the fields of `wanted`. */
void sl_init(struct sl_group *group, int hierarchy, uint64_t wanted);

/*
 * Opens, in one folder of the group, the files that are there and not open yet; may be called again when more appear.
 * `folder` counts as in enum sl_hierarchy. Returns how many files it opened; -ESTALE when the folder is another one than
 * at first; else -errno of the folder or -EMFILE, -ENFILE, -ENOMEM of a file (what was opened before that stays open).
 */
int sl_open_files(struct sl_group *group, int folder, int directory_fd);

/*
 * Gives the group an array for `space` event files of descendants, into which it takes over those that it has; the caller
 * keeps it alive and may drop the one before. -EINVAL: not enough space for those.
 */
int sl_give_child_space(struct sl_group *group, struct sl_child_event *array, int space);

/*
 * Adds an event file (memory.oom_control, memory.failcnt or memory.memsw.failcnt) to the group, which owns the descriptor
 * if 0 is returned. -ENOSPC: no slot is free.
 */
int sl_add_child_event(struct sl_group *group, int field, int fd);

/* Reads n groups into n records, files of the given tiers only. Always fills every record. */
void sl_read_all(struct sl_group *const *groups, size_t n, int tiers, struct sl_reading *out);

/*
 * The same for groups up to ends[0], then for those up to ends[1], and so on; off the CPU for rest_ns (0: not at all) after
 * a part with which busy_ns have passed since the last rest, and at the end, where the caller's work begins: whoever shares
 * the CPU feels short bursts instead of a long one.
 */
void sl_read_in_parts(struct sl_group *const *groups, const size_t *ends, size_t parts, int tiers,
                      struct sl_reading *out, long busy_ns, long rest_ns);

/* The fields that the open files give, as a mask; of one hierarchy, all that its files could give. */
uint64_t sl_open_fields(const struct sl_group *group);
uint64_t sl_hierarchy_fields(int hierarchy);

/* The tier in which a field is read. */
int sl_field_tier(int hierarchy, int field);

/* Closes all descriptors; reading the group afterwards says ENODEV. */
void sl_close(struct sl_group *group);

#endif
