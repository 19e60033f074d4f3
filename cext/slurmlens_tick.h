/*
 * What readings add up to: the running account of each cgroup, a job's profile (the flight recorder) and its points.
 *
 * The arithmetic of a tick, for all jobs in one call. It was Python first; with 200 jobs that cost twice what reading the
 * counters costs. Owns no descriptor and reads no file. Invariants: what a reading lacks stays as it was; a counter that
 * falls is carried on from where it was, and not counted twice when it comes back; a bin that nothing covered is a gap
 * and stays one. One thread at a time may use an object. Used by slurmlens.cgroup.tick; the Python twin that tests
 * compare it with is tests/testkit/tick_twin.py.
 */
#ifndef SLURMLENS_TICK_H
#define SLURMLENS_TICK_H

#include "slurmlens_cgroup.h"

/* Where a metric's figure comes from, as metrics.Source; each has an account of its own. */
enum sl_source { SL_FROM_CGROUP, SL_FROM_PROCESSES, SL_FROM_NODE, SL_SOURCES };

enum { SL_METRICS_MAX = 32 };

/* One metric of metrics.METRICS. `column`: its place in a profile, -1 where it is not recorded. */
struct sl_metric {
	int32_t field;
	int32_t source;
	int32_t is_gauge;
	int32_t tier;
	int32_t column;
	double scale;
};

/* The table of metrics, made once by whoever owns it, and which fields are gauges, as a mask. */
struct sl_rules {
	struct sl_metric metric[SL_METRICS_MAX];
	int32_t metrics;
	int32_t columns;
	uint64_t gauges;
};

struct sl_account {
	uint64_t last[SL_FIELDS];
	int64_t carried[SL_FIELDS]; /* of the cgroups before this one */
	int64_t fallen[SL_FIELDS];  /* by how much a counter is smaller than it was, and not back yet */
	uint64_t highest[SL_FIELDS];
	uint64_t known;     /* fields that were ever read */
	uint64_t samples;
	int64_t first_ns;
	int64_t last_ns;
	uint32_t falls;     /* how often a counter fell within the life of one cgroup */
	int32_t counts_from_next; /* the next reading is where counting begins: the cgroup served an earlier run */
};

/* A counter's growth since the job began; it stops at 2^63 - 1. */
int64_t sl_account_total(const struct sl_account *account, int field);

/* One more reading, at boottime now_ns. */
void sl_account_take(struct sl_account *account, const struct sl_rules *rules, const struct sl_reading *reading,
                     int64_t now_ns);

/* One column of one bin: lowest, highest and mean value, and how many seconds of the bin are covered (0: a gap). */
struct sl_bin {
	float low;
	float high;
	float mean;
	float covered;
};

/*
 * A job's profile. Bins are aligned to multiples of their width on the wall clock; time runs on boottime, `offset_ns` is the
 * difference when it began. `bins` holds `stride` columns of the first bin, then of the second and so on.
 */
struct sl_profile {
	int64_t offset_ns;
	int64_t width_ns;
	int64_t first_bin;
	int32_t count;
	int32_t max_points;
	int32_t stride;
	uint32_t columns; /* columns with a place, as a mask */
	uint32_t there;   /* columns with a point, as a mask */
	uint32_t begun;   /* columns with a reading before, as a mask */
	int64_t before[SL_METRICS_MAX];
	int64_t before_ns[SL_METRICS_MAX];
	struct sl_bin *bins;
};

/* The cgroup was born at boottime born_ns: the counters of the cgroup and of its processes were zero then. */
void sl_profile_begin(struct sl_profile *profile, const struct sl_rules *rules, int64_t born_ns);

/*
 * `account` took a reading of the fields in `have`. A pause longer than gap_ns (of fields of the slow tier: slow_gap_ns)
 * leaves a gap. 0, or -ENOMEM: then the reading is in no bin.
 */
int sl_profile_follow(struct sl_profile *profile, const struct sl_rules *rules, int source,
                      const struct sl_account *account, uint64_t have, int64_t now_ns, int64_t gap_ns,
                      int64_t slow_gap_ns);

/* The column's metric was `value` from boottime from_ns to to_ns; an instant counts as covering a moment. 0 or -ENOMEM. */
int sl_profile_add(struct sl_profile *profile, const struct sl_rules *rules, int column, int64_t from_ns, int64_t to_ns,
                   double value);

/* Half the bins, twice as wide. */
void sl_profile_halve(struct sl_profile *profile, const struct sl_rules *rules);

/*
 * Writes lowest, mean and highest value and seconds covered of each bin of a column that has a place, from bin `first` on.
 * The values have the seven digits that a float has.
 */
void sl_profile_column(const struct sl_profile *profile, int column, int32_t first, double *rows);

/* The memory that its bins take: whole pages. */
size_t sl_profile_bytes(const struct sl_profile *profile);

void sl_profile_free(struct sl_profile *profile);

/* The totals at a job's last points of one tier: what rates are growth since. */
struct sl_points {
	int64_t before[SL_METRICS_MAX];
	uint32_t known;
	int32_t tier;
	int64_t last_tick_ns;
};

/*
 * The values of one tier's metrics, in the order of the rules, for the interval that ends at tick_ns; NaN where there is
 * none. Returns how many. A rate is the growth since the last call by the time since then, interval_ns at least.
 * `accounts`: one per source, NULL where there is none; the node's stands in only where the cgroup tells no pressure.
 */
int sl_points_values(struct sl_points *points, const struct sl_rules *rules, const struct sl_account *const *accounts,
                     int64_t tick_ns, int64_t interval_ns, double *values);

/* A job's points, with its accounts. */
struct sl_pointed {
	struct sl_points *points;
	const struct sl_account *accounts[SL_SOURCES];
};

/*
 * As sl_points_values, for n jobs of one tier, one after the other; only those values that there are. Bit i of a job's mask
 * says that it has a value for the i-th metric of the tier. Returns how many values; `values` has room for all.
 */
size_t sl_points_all(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                     int64_t interval_ns, double *values, uint32_t *masks);

/* As sl_points_values, for n jobs of one tier, summed; NaN where none of them has a value. */
int sl_points_sum(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                  int64_t interval_ns, double *sums);

/*
 * A cgroup that is read at ticks. Only a job has a profile, and an account of the node's pressure while it ran. On v1 a step
 * has the account of its job, to which its OOM kills are added: the kernel counts none there.
 */
struct sl_member {
	struct sl_account *account;
	struct sl_profile *profile;
	struct sl_account *node_account;
	struct sl_account *job_account;
};

/* What a tick is told. */
struct sl_tick {
	int64_t now_ns;
	int64_t gap_ns;
	int64_t slow_gap_ns;
	const struct sl_reading *node_pressure; /* NULL: unavailable */
};

/*
 * Accounts and profiles take n readings, one per member; a cgroup that has gone takes none. Returns how many readings have
 * an error: look at those.
 */
size_t sl_take_all(const struct sl_member *members, const struct sl_reading *readings, size_t n,
                   const struct sl_rules *rules, const struct sl_tick *tick);

#endif
