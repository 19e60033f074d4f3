/* What slurmlens._cgroup knows of slurmlens_tick.h; the compiler checks one against the other. */
#define SL_FROM_CGROUP ...
#define SL_FROM_PROCESSES ...
#define SL_FROM_NODE ...
#define SL_METRICS_MAX ...

struct sl_metric {
	int32_t field;
	int32_t source;
	int32_t is_gauge;
	int32_t tier;
	int32_t column;
	double scale;
};

struct sl_rules {
	struct sl_metric metric[...];
	int32_t metrics;
	int32_t columns;
	uint64_t gauges;
};

struct sl_account {
	uint64_t last[...];
	int64_t carried[...];
	int64_t fallen[...];
	uint64_t highest[...];
	uint64_t known;
	uint64_t samples;
	int64_t first_ns;
	int64_t last_ns;
	uint32_t falls;
	int32_t counts_from_next;
	...;
};

struct sl_profile {
	int64_t offset_ns;
	int64_t width_ns;
	int64_t first_bin;
	int32_t count;
	int32_t max_points;
	uint32_t there;
	...;
};

struct sl_points {
	uint32_t known;
	int32_t tier;
	...;
};

struct sl_pointed {
	struct sl_points *points;
	const struct sl_account *accounts[3];
};

struct sl_member {
	struct sl_account *account;
	struct sl_profile *profile;
	struct sl_account *node_account;
	struct sl_account *job_account;
};

struct sl_tick {
	int64_t now_ns;
	int64_t gap_ns;
	int64_t slow_gap_ns;
	const struct sl_reading *node_pressure;
};

int64_t sl_account_total(const struct sl_account *account, int field);
void sl_account_take(struct sl_account *account, const struct sl_rules *rules, const struct sl_reading *reading,
                     int64_t now_ns);
void sl_profile_begin(struct sl_profile *profile, const struct sl_rules *rules, int64_t born_ns);
int sl_profile_follow(struct sl_profile *profile, const struct sl_rules *rules, int source,
                      const struct sl_account *account, uint64_t have, int64_t now_ns, int64_t gap_ns,
                      int64_t slow_gap_ns);
int sl_profile_add(struct sl_profile *profile, const struct sl_rules *rules, int column, int64_t from_ns, int64_t to_ns,
                   double value);
void sl_profile_halve(struct sl_profile *profile, const struct sl_rules *rules);
void sl_profile_column(const struct sl_profile *profile, int column, int32_t first, double *rows);
size_t sl_profile_bytes(const struct sl_profile *profile);
void sl_profile_free(struct sl_profile *profile);
int sl_points_values(struct sl_points *points, const struct sl_rules *rules, const struct sl_account *const *accounts,
                     int64_t tick_ns, int64_t interval_ns, double *values);
size_t sl_points_all(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                     int64_t interval_ns, double *values, uint32_t *masks);
int sl_points_sum(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                  int64_t interval_ns, double *sums);
size_t sl_take_all(const struct sl_member *members, const struct sl_reading *readings, size_t n,
                   const struct sl_rules *rules, const struct sl_tick *tick);
