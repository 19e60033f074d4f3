/*
 * The flight recorder: a job's course at a bounded number of bins; see slurmlens_tally.h.
 *
 * A course begins with narrow bins. When it would need more than max_points, two neighbours become one and the bins are
 * twice as wide. A reading stands for the time since the one before it and is spread over the bins that it covers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "slurmlens_tally.h"

#define NS_PER_S 1000000000LL
#define LEAST_CAPACITY 16

enum row { LOW, HIGH, MEAN, COVERED, ROWS };

static float *row_of(const struct sl_course *course, int column, enum row row)
{
	return course->bins[column] + (size_t)row * (size_t)course->capacity;
}

static void add_to_bin(struct sl_course *course, int column, int64_t bin, double seconds, double value)
{
	float *low = row_of(course, column, LOW) + bin, *high = row_of(course, column, HIGH) + bin;
	float *mean = row_of(course, column, MEAN) + bin, *covered = row_of(course, column, COVERED) + bin;
	double before = *covered;

	if (before == 0) {
		*low = *high = *mean = (float)value;
	} else {
		if (value < *low)
			*low = (float)value;
		if (value > *high)
			*high = (float)value;
		*mean = (float)(*mean + (value - *mean) * seconds / (before + seconds));
	}
	*covered = (float)(before + seconds);
}

/* Bin `into` of a halved column is made of the old bins `left` and `right`, those of them that there are. */
static void join_bins(struct sl_course *course, int column, int64_t into, int64_t left, int64_t right)
{
	double low = 0, high = 0, mean = 0, covered = 0;

	for (int64_t bin = left; bin <= right; bin++) {
		double seconds = bin < 0 || bin >= course->count ? 0 : row_of(course, column, COVERED)[bin];

		if (seconds <= 0)
			continue;
		if (covered == 0 || row_of(course, column, LOW)[bin] < low)
			low = row_of(course, column, LOW)[bin];
		if (covered == 0 || row_of(course, column, HIGH)[bin] > high)
			high = row_of(course, column, HIGH)[bin];
		mean += (row_of(course, column, MEAN)[bin] - mean) * seconds / (covered + seconds);
		covered += seconds;
	}
	row_of(course, column, LOW)[into] = (float)low;
	row_of(course, column, HIGH)[into] = (float)high;
	row_of(course, column, MEAN)[into] = (float)mean;
	row_of(course, column, COVERED)[into] = (float)covered;
}

/* The same rows with room for `capacity` bins, new ones empty. */
static float *moved(const struct sl_course *course, int column, int32_t capacity)
{
	float *fresh = calloc((size_t)ROWS * (size_t)capacity, sizeof(float));

	for (enum row row = LOW; fresh && course->bins[column] && row < ROWS; row++)
		memcpy(fresh + (size_t)row * (size_t)capacity, row_of(course, column, row), (size_t)course->count * sizeof(float));
	return fresh;
}

/* Moves all columns at once: they share one capacity. */
static int move_all(struct sl_course *course, const struct sl_rules *rules, int32_t capacity)
{
	float *fresh[SL_METRICS_MAX] = {NULL};

	for (int column = 0; column < rules->columns; column++) {
		fresh[column] = course->bins[column] ? moved(course, column, capacity) : NULL;
		if (course->bins[column] && !fresh[column]) {
			while (column-- > 0)
				free(fresh[column]);
			return -ENOMEM;
		}
	}
	for (int column = 0; column < rules->columns; column++) {
		free(course->bins[column]);
		course->bins[column] = fresh[column];
	}
	course->capacity = capacity;
	return 0;
}

/* Gives back what a halved course does not need; where there is no memory to move into it keeps what it has. */
static void shrink(struct sl_course *course, const struct sl_rules *rules)
{
	int32_t capacity = course->count > LEAST_CAPACITY ? course->count : LEAST_CAPACITY;

	if (capacity < course->capacity)
		(void)move_all(course, rules, capacity);
}

void sl_course_halve(struct sl_course *course, const struct sl_rules *rules)
{
	int32_t lead = course->first_bin % 2 != 0; /* an empty bin before the first keeps the pairs aligned */
	int32_t half = (course->count + lead + 1) / 2;

	for (int column = 0; column < rules->columns; column++) {
		if (!course->bins[column])
			continue;
		for (int64_t bin = 0; bin < half; bin++)
			join_bins(course, column, bin, 2 * bin - lead, 2 * bin - lead + 1);
		for (enum row row = LOW; row < ROWS; row++)
			memset(row_of(course, column, row) + half, 0, (size_t)(course->capacity - half) * sizeof(float));
	}
	course->count = half;
	course->first_bin /= 2;
	course->width_ns *= 2;
	shrink(course, rules);
}

static int reserve(struct sl_course *course, const struct sl_rules *rules, int32_t count)
{
	int32_t capacity = course->capacity * 2 > LEAST_CAPACITY ? course->capacity * 2 : LEAST_CAPACITY;

	if (count <= course->capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	return move_all(course, rules, capacity < course->max_points ? capacity : course->max_points);
}

/* Bins up to the one that holds the wall time before end_ns, and the column itself. */
static int make_room(struct sl_course *course, const struct sl_rules *rules, int column, int64_t end_ns)
{
	int64_t needed;
	int rc;

	while ((end_ns - 1) / course->width_ns - course->first_bin >= course->max_points)
		sl_course_halve(course, rules);
	needed = (end_ns - 1) / course->width_ns - course->first_bin + 1;
	rc = reserve(course, rules, (int32_t)needed);
	if (rc)
		return rc;
	if (needed > course->count)
		course->count = (int32_t)needed;
	if (!course->bins[column])
		course->bins[column] = moved(course, column, course->capacity);
	return course->bins[column] ? 0 : -ENOMEM;
}

int sl_course_add(struct sl_course *course, const struct sl_rules *rules, int column, int64_t from_ns, int64_t to_ns,
		  double value)
{
	int64_t begin_ns = from_ns + course->offset_ns, end_ns = to_ns + course->offset_ns;
	int rc;

	if (begin_ns < course->first_bin * course->width_ns)
		begin_ns = course->first_bin * course->width_ns;
	if (end_ns <= begin_ns)
		end_ns = begin_ns + 1;
	rc = make_room(course, rules, column, end_ns);
	if (rc)
		return rc;
	for (int64_t bin = begin_ns / course->width_ns; bin <= (end_ns - 1) / course->width_ns; bin++) {
		int64_t left = bin * course->width_ns, right = left + course->width_ns;
		int64_t covered_ns = (right < end_ns ? right : end_ns) - (left > begin_ns ? left : begin_ns);

		add_to_bin(course, column, bin - course->first_bin, (double)covered_ns / NS_PER_S, value);
	}
	course->there |= 1U << column;
	return 0;
}

static int follow_one(struct sl_course *course, const struct sl_rules *rules, const struct sl_metric *metric, int64_t value,
		      int64_t now_ns, int64_t gap_ns)
{
	int column = metric->column;
	int is_first = !(course->begun & 1U << column);
	int64_t before = course->before[column], before_ns = course->before_ns[column];
	int64_t growth = value > before ? value - before : 0;

	course->before[column] = value;
	course->before_ns[column] = now_ns;
	course->begun |= 1U << column;
	if (is_first || now_ns <= before_ns || now_ns - before_ns > gap_ns)
		return 0;
	if (metric->is_gauge)
		return sl_course_add(course, rules, column, before_ns, now_ns, (double)value * metric->scale);
	return sl_course_add(course, rules, column, before_ns, now_ns,
			     (double)growth * metric->scale * NS_PER_S / (double)(now_ns - before_ns));
}

int sl_course_follow(struct sl_course *course, const struct sl_rules *rules, int source, const struct sl_account *account,
		     uint64_t have, int64_t now_ns, int64_t gap_ns, int64_t slow_gap_ns)
{
	int rc = 0;

	for (int i = 0; i < rules->metrics; i++) {
		const struct sl_metric *metric = &rules->metric[i];
		int64_t value;
		int failed;

		if (metric->column < 0 || metric->source != source || !(have & account->known & SL_BIT(metric->field)))
			continue;
		value = sl_account_total(account, metric->field);
		failed = follow_one(course, rules, metric, value, now_ns, metric->tier == SL_TIER_SLOW ? slow_gap_ns : gap_ns);
		rc = rc ? rc : failed;
	}
	return rc;
}

void sl_course_begin(struct sl_course *course, const struct sl_rules *rules, int64_t born_ns)
{
	for (int i = 0; i < rules->metrics; i++) {
		const struct sl_metric *metric = &rules->metric[i];

		if (metric->column < 0 || metric->source == SL_FROM_NODE)
			continue;
		course->before[metric->column] = 0;
		course->before_ns[metric->column] = born_ns;
		course->begun |= 1U << metric->column;
	}
}

void sl_course_free(struct sl_course *course)
{
	for (int column = 0; column < SL_METRICS_MAX; column++) {
		free(course->bins[column]);
		course->bins[column] = NULL;
	}
	course->count = course->capacity = 0;
	course->there = 0;
}
