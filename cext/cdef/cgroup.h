/* What slurmlens._cgroup knows of slurmlens_cgroup.h; the compiler checks one against the other. */
#define SL_FIELDS ...
#define SL_TIER_FAST ...
#define SL_TIER_SLOW ...
#define SL_V1 ...
#define SL_V2 ...
#define SL_NODE_PRESSURE ...

struct sl_reading {
	uint64_t value[...];
	uint64_t have;
	int32_t error;
	uint32_t failed_files;
};

struct sl_child_event {
	int32_t fd;
	int32_t field;
	uint64_t last;
};

struct sl_group {
	int32_t hierarchy;
	uint64_t wanted;
	int32_t children;
	int32_t child_space;
	...;
};

void sl_init(struct sl_group *group, int hierarchy, uint64_t wanted);
int sl_open_files(struct sl_group *group, int folder, int directory_fd);
int sl_give_child_space(struct sl_group *group, struct sl_child_event *array, int space);
int sl_add_child_event(struct sl_group *group, int field, int fd);
void sl_read_in_parts(struct sl_group *const *groups, const size_t *ends, size_t parts, int tiers,
                      struct sl_reading *out, long busy_ns, long rest_ns);
uint64_t sl_open_fields(const struct sl_group *group);
uint64_t sl_hierarchy_fields(int hierarchy);
int sl_field_tier(int hierarchy, int field);
void sl_close(struct sl_group *group);
