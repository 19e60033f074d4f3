/*
 * The flight recorder: a job's profile at a bounded number of bins; see slurmlens_tick.h.
 *
 * A profile begins with narrow bins. When it would need more than max_points, two neighbours become one and the bins are
 * twice as wide. A reading stands for the time since the one before it and is spread over the bins that it covers.
 *
 * Room for max_points bins is set aside once, as addresses. The kernel gives the memory a page at a time as bins are
 * filled and gets it back when a profile is halved: growing moves nothing, and what is not used is not there.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "files.h"
#include "slurmlens_tick.h"

#define NS_PER_S 1000000000LL

static struct sl_bin *bin_of(const struct sl_profile *profile, int64_t bin, int column)
{
	int place = __builtin_popcount(profile->columns & ((1U << column) - 1));

	return profile->bins + (size_t)bin * (size_t)profile->stride + place;
}

static size_t bytes_of(const struct sl_profile *profile, int32_t bins)
{
	return (size_t)bins * (size_t)profile->stride * sizeof(struct sl_bin);
}

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

#ifdef __SANITIZE_ADDRESS__ /* memory that the sanitizer watches */
static void *set_aside(size_t bytes)
{
	return calloc(1, bytes);
}

static void give_back(void *memory, size_t bytes)
{
	(void)bytes;
	free(memory);
}

static void empty(void *memory, size_t from, size_t to)
{
	memset((char *)memory + from, 0, to - from);
}
#else
static void *set_aside(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE); /* one huge page would fill the room of forty jobs */
	return memory;
}

static void give_back(void *memory, size_t bytes)
{
	if (memory)
		(void)munmap(memory, bytes);
}

/* Zeros from one offset to another; whole pages go back to the kernel. */
static void empty(void *memory, size_t from, size_t to)
{
	size_t first_page = whole_pages(from);

	if (first_page >= to || madvise((char *)memory + first_page, to - first_page, MADV_DONTNEED))
		first_page = to;
	memset((char *)memory + from, 0, first_page - from);
}
#endif

static void add_to_bin(struct sl_bin *bin, double seconds, double value)
{
	double before = bin->covered;

	if (before == 0) {
		bin->low = bin->high = bin->mean = (float)value;
	} else {
		if (value < bin->low)
			bin->low = (float)value;
		if (value > bin->high)
			bin->high = (float)value;
		bin->mean = (float)(bin->mean + (value - bin->mean) * seconds / (before + seconds));
	}
	bin->covered = (float)(before + seconds);
}

/* What one column's old bins `left` and `right`, those of them that there are, say together. */
static struct sl_bin joined(const struct sl_profile *profile, int column, int64_t left, int64_t right)
{
	double low = 0, high = 0, mean = 0, covered = 0;

	for (int64_t index = left; index <= right; index++) {
		const struct sl_bin *bin = index < 0 || index >= profile->count ? NULL : bin_of(profile, index, column);

		if (!bin || bin->covered <= 0)
			continue;
		if (covered == 0 || bin->low < low)
			low = bin->low;
		if (covered == 0 || bin->high > high)
			high = bin->high;
		mean += (bin->mean - mean) * bin->covered / (covered + bin->covered);
		covered += bin->covered;
	}
	return (struct sl_bin){(float)low, (float)high, (float)mean, (float)covered};
}

void sl_profile_halve(struct sl_profile *profile, const struct sl_rules *rules)
{
	int32_t lead = profile->first_bin % 2 != 0; /* an empty bin before the first keeps the pairs aligned */
	int32_t half = (profile->count + lead + 1) / 2;

	for (int64_t bin = 0; bin < half; bin++) {
		for (int column = 0; column < rules->columns; column++) {
			if (profile->columns & 1U << column)
				*bin_of(profile, bin, column) =
				        joined(profile, column, 2 * bin - lead, 2 * bin - lead + 1);
		}
	}
	if (half < profile->count)
		empty(profile->bins, bytes_of(profile, half), bytes_of(profile, profile->count));
	profile->count = half;
	profile->first_bin /= 2;
	profile->width_ns *= 2;
}

/* Gives the columns in the mask a place in every bin. Seldom: most come with a job's first reading, all at once. */
static int place_columns(struct sl_profile *profile, uint32_t columns)
{
	struct sl_profile fresh = *profile;

	fresh.columns |= columns;
	if (fresh.columns == profile->columns)
		return 0;
	fresh.stride = __builtin_popcount(fresh.columns);
	fresh.bins = set_aside(bytes_of(&fresh, fresh.max_points));
	if (!fresh.bins)
		return -ENOMEM;
	for (int column = 0; column < SL_METRICS_MAX; column++) {
		for (int64_t bin = 0; profile->columns & 1U << column && bin < profile->count; bin++)
			*bin_of(&fresh, bin, column) = *bin_of(profile, bin, column);
	}
	give_back(profile->bins, bytes_of(profile, profile->max_points));
	*profile = fresh;
	return 0;
}

/* Bins up to the one that holds the wall time before end_ns. */
static void make_room(struct sl_profile *profile, const struct sl_rules *rules, int64_t end_ns)
{
	int64_t needed;

	while ((end_ns - 1) / profile->width_ns - profile->first_bin >= profile->max_points)
		sl_profile_halve(profile, rules);
	needed = (end_ns - 1) / profile->width_ns - profile->first_bin + 1;
	if (needed > profile->count)
		profile->count = (int32_t)needed;
}

/* The column has its place. */
static void add(struct sl_profile *profile, const struct sl_rules *rules, int column, int64_t from_ns, int64_t to_ns,
                double value)
{
	int64_t begin_ns = from_ns + profile->offset_ns, end_ns = to_ns + profile->offset_ns;

	if (begin_ns < profile->first_bin * profile->width_ns)
		begin_ns = profile->first_bin * profile->width_ns;
	if (end_ns <= begin_ns)
		end_ns = begin_ns + 1;
	make_room(profile, rules, end_ns);
	for (int64_t bin = begin_ns / profile->width_ns; bin <= (end_ns - 1) / profile->width_ns; bin++) {
		int64_t left = bin * profile->width_ns, right = left + profile->width_ns;
		int64_t covered_ns = (right < end_ns ? right : end_ns) - (left > begin_ns ? left : begin_ns);

		add_to_bin(bin_of(profile, bin - profile->first_bin, column), (double)covered_ns / NS_PER_S, value);
	}
	profile->there |= 1U << column;
}

int sl_profile_add(struct sl_profile *profile, const struct sl_rules *rules, int column, int64_t from_ns, int64_t to_ns,
                   double value)
{
	if (place_columns(profile, 1U << column))
		return -ENOMEM;
	add(profile, rules, column, from_ns, to_ns, value);
	return 0;
}

static void follow_one(struct sl_profile *profile, const struct sl_rules *rules, const struct sl_metric *metric,
                       int64_t value, int64_t now_ns, int64_t gap_ns)
{
	int column = metric->column;
	int is_first = !(profile->begun & 1U << column);
	int64_t before = profile->before[column], before_ns = profile->before_ns[column];
	double growth = value > before ? (double)(value - before) : 0;

	profile->before[column] = value;
	profile->before_ns[column] = now_ns;
	profile->begun |= 1U << column;
	if (is_first || now_ns <= before_ns || now_ns - before_ns > gap_ns)
		return;
	if (metric->is_gauge)
		add(profile, rules, column, before_ns, now_ns, (double)value * metric->scale);
	else
		add(profile, rules, column, before_ns, now_ns,
		    growth * metric->scale * NS_PER_S / (double)(now_ns - before_ns));
}

/* Whether a reading of the fields in `have` says something for a column of the profile. */
static int is_told(const struct sl_metric *metric, int source, uint64_t have)
{
	return metric->column >= 0 && metric->source == source && have & SL_BIT(metric->field);
}

int sl_profile_follow(struct sl_profile *profile, const struct sl_rules *rules, int source,
                      const struct sl_account *account, uint64_t have, int64_t now_ns, int64_t gap_ns,
                      int64_t slow_gap_ns)
{
	uint64_t known = have & account->known;
	uint32_t columns = 0;

	for (int i = 0; i < rules->metrics; i++) {
		if (is_told(&rules->metric[i], source, known))
			columns |= 1U << rules->metric[i].column;
	}
	if (place_columns(profile, columns))
		return -ENOMEM;
	for (int i = 0; i < rules->metrics; i++) {
		const struct sl_metric *metric = &rules->metric[i];

		if (is_told(metric, source, known))
			follow_one(profile, rules, metric, sl_account_total(account, metric->field), now_ns,
			           metric->tier == SL_TIER_SLOW ? slow_gap_ns : gap_ns);
	}
	return 0;
}

void sl_profile_begin(struct sl_profile *profile, const struct sl_rules *rules, int64_t born_ns)
{
	for (int i = 0; i < rules->metrics; i++) {
		const struct sl_metric *metric = &rules->metric[i];

		if (metric->column < 0 || metric->source == SL_FROM_NODE)
			continue;
		profile->before[metric->column] = 0;
		profile->before_ns[metric->column] = born_ns;
		profile->begun |= 1U << metric->column;
	}
}

/* A float as the double that is written with as few digits as it has: 0.1, not 0.10000000149011612. Whole ones stay. */
static double plain(float value)
{
	double step;

	if (value == rintf(value) || !isfinite(value))
		return value;
	step = pow(10, FLT_DIG - floor(log10(fabs((double)value))));
	return rint(value * step) / step;
}

void sl_profile_column(const struct sl_profile *profile, int column, int32_t first, double *rows)
{
	for (int32_t index = first; index < profile->count; index++) {
		const struct sl_bin *bin = bin_of(profile, index, column);

		*rows++ = plain(bin->low);
		*rows++ = plain(bin->mean);
		*rows++ = plain(bin->high);
		*rows++ = bin->covered;
	}
}

size_t sl_profile_bytes(const struct sl_profile *profile)
{
	return whole_pages(bytes_of(profile, profile->count));
}

void sl_profile_free(struct sl_profile *profile)
{
	give_back(profile->bins, bytes_of(profile, profile->max_points));
	profile->bins = NULL;
	profile->count = profile->stride = 0;
	profile->there = profile->columns = 0;
}
