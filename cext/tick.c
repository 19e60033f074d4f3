/* All members of a tick at once, and points made of accounts; see slurmlens_tick.h. */
#include <errno.h>
#include <math.h>

#include "files.h"
#include "slurmlens_tick.h"

/* The node's pressure stands in where the cgroup tells none; all jobs share one reading. */
static void follow_node(const struct sl_member *job, const struct sl_rules *rules, const struct sl_tick *tick)
{
	if (!tick->node_pressure || !job->node_account || job->account->known & SL_BIT(SL_PRESSURE_CPU_SOME_US))
		return;
	sl_account_take(job->node_account, rules, tick->node_pressure, tick->now_ns);
	sl_profile_follow(job->profile, rules, SL_FROM_NODE, job->node_account, tick->node_pressure->have, tick->now_ns,
	                  tick->gap_ns, tick->slow_gap_ns);
}

/* A step's reading; what was killed in it since the last one was killed in its job. */
static void take_step(const struct sl_member *step, const struct sl_rules *rules, const struct sl_reading *reading,
                      int64_t now_ns)
{
	int64_t before = sl_account_total(step->account, SL_OOM_KILL_EVENTS);

	sl_account_take(step->account, rules, reading, now_ns);
	if (!step->job_account || !(step->account->known & SL_BIT(SL_OOM_KILL_EVENTS)))
		return;
	step->job_account->known |= SL_BIT(SL_OOM_KILL_EVENTS);
	step->job_account->last[SL_OOM_KILL_EVENTS] +=
	        (uint64_t)(sl_account_total(step->account, SL_OOM_KILL_EVENTS) - before);
}

static void take_job(const struct sl_member *job, const struct sl_rules *rules, const struct sl_reading *reading,
                     const struct sl_tick *tick)
{
	sl_account_take(job->account, rules, reading, tick->now_ns);
	sl_profile_follow(job->profile, rules, SL_FROM_CGROUP, job->account, reading->have, tick->now_ns, tick->gap_ns,
	                  tick->slow_gap_ns);
	follow_node(job, rules, tick);
}

size_t sl_take_all(const struct sl_member *members, const struct sl_reading *readings, size_t n,
                   const struct sl_rules *rules, const struct sl_tick *tick)
{
	size_t errors = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sl_member *member = &members[i];

		errors += readings[i].error != 0;
		if (readings[i].error == ENODEV || readings[i].error == ENOENT)
			continue;
		if (member->profile)
			take_job(member, rules, &readings[i], tick);
		else
			take_step(member, rules, &readings[i], tick->now_ns);
	}
	return errors;
}

static double rate(struct sl_points *points, int index, int64_t total, int64_t period_ns, double scale)
{
	int is_first = !(points->known & 1U << index);
	int64_t growth = total > points->before[index] ? total - points->before[index] : 0;

	points->before[index] = total;
	points->known |= 1U << index;
	if (is_first)
		return NAN;
	return (double)growth * scale * 1e9 / (double)period_ns;
}

static double value_of(struct sl_points *points, const struct sl_rules *rules, int index,
                       const struct sl_account *account, int64_t period_ns)
{
	const struct sl_metric *metric = &rules->metric[index];

	if (!account)
		return NAN;
	if (!(account->known & SL_BIT(metric->field))) {
		points->known &= ~(1U << index);
		return NAN;
	}
	if (metric->is_gauge)
		return (double)account->last[metric->field] * metric->scale;
	return rate(points, index, sl_account_total(account, metric->field), period_ns, metric->scale);
}

static const struct sl_account *account_for(const struct sl_account *const *accounts, int source)
{
	const struct sl_account *own = accounts[SL_FROM_CGROUP];

	if (source == SL_FROM_NODE && own && own->known & SL_BIT(SL_PRESSURE_CPU_SOME_US))
		return NULL;
	return accounts[source];
}

int sl_points_values(struct sl_points *points, const struct sl_rules *rules, const struct sl_account *const *accounts,
                     int64_t tick_ns, int64_t interval_ns, double *values)
{
	int64_t period_ns = points->last_tick_ns ? tick_ns - points->last_tick_ns : interval_ns;
	int count = 0;

	points->last_tick_ns = tick_ns;
	if (period_ns < interval_ns)
		period_ns = interval_ns;
	for (int i = 0; i < rules->metrics; i++) {
		if (rules->metric[i].tier == points->tier)
			values[count++] =
			        value_of(points, rules, i, account_for(accounts, rules->metric[i].source), period_ns);
	}
	return count;
}

size_t sl_points_all(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                     int64_t interval_ns, double *values, uint32_t *masks)
{
	double one[SL_METRICS_MAX];
	size_t used = 0;

	for (size_t job = 0; job < n; job++) {
		int count = sl_points_values(jobs[job].points, rules, jobs[job].accounts, tick_ns, interval_ns, one);

		masks[job] = 0;
		for (int i = 0; i < count; i++) {
			if (isnan(one[i]))
				continue;
			values[used++] = one[i];
			masks[job] |= 1U << i;
		}
	}
	return used;
}

int sl_points_sum(const struct sl_pointed *jobs, size_t n, const struct sl_rules *rules, int64_t tick_ns,
                  int64_t interval_ns, double *sums)
{
	double values[SL_METRICS_MAX];
	int count = 0;

	for (int i = 0; i < SL_METRICS_MAX; i++)
		sums[i] = NAN;
	for (size_t job = 0; job < n; job++) {
		count = sl_points_values(jobs[job].points, rules, jobs[job].accounts, tick_ns, interval_ns, values);
		for (int i = 0; i < count; i++) {
			if (!isnan(values[i]))
				sums[i] = isnan(sums[i]) ? values[i] : sums[i] + values[i];
		}
	}
	return count;
}
