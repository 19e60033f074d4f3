/* All members of a tick at once, and a job's points; see slurmlens_tally.h. */
#include <errno.h>
#include <math.h>

#include "files.h"
#include "slurmlens_tally.h"

/* The node's pressure stands in where the cgroup tells none; 200 jobs share one reading. */
static void follow_node(struct sl_job *job, const struct sl_rules *rules, const struct sl_tick *tick)
{
	struct sl_account *node = &job->account[SL_FROM_NODE];

	if (!tick->node_pressure || job->account[SL_FROM_CGROUP].known & SL_BIT(SL_PRESSURE_CPU_SOME_US))
		return;
	sl_account_take(node, rules, tick->node_pressure, tick->now_ns);
	sl_course_follow(&job->course, rules, SL_FROM_NODE, node, tick->node_pressure->have, tick->now_ns, tick->gap_ns,
			 tick->slow_gap_ns);
}

size_t sl_take_all(const struct sl_member *members, const struct sl_reading *readings, size_t n, const struct sl_rules *rules,
		   const struct sl_tick *tick)
{
	size_t errors = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sl_member *member = &members[i];

		errors += readings[i].error != 0;
		if (readings[i].error == ENODEV || readings[i].error == ENOENT)
			continue;
		sl_account_take(member->account, rules, &readings[i], tick->now_ns);
		if (!member->job)
			continue;
		sl_course_follow(&member->job->course, rules, SL_FROM_CGROUP, member->account, readings[i].have, tick->now_ns,
				 tick->gap_ns, tick->slow_gap_ns);
		follow_node(member->job, rules, tick);
	}
	return errors;
}

static double rate(struct sl_points *points, int index, int64_t total, int64_t period_ns, double scale)
{
	int is_first = !(points->known & 1U << index);
	int64_t growth = total - points->before[index];

	points->before[index] = total;
	points->known |= 1U << index;
	if (is_first)
		return NAN;
	return growth <= 0 ? 0 : (double)growth * scale * 1e9 / (double)period_ns;
}

void sl_job_points(struct sl_job *job, const struct sl_rules *rules, int tier, int64_t tick_ns, int64_t interval_ns,
		   double *values)
{
	struct sl_points *points = &job->points[tier == SL_TIER_SLOW];
	int64_t period_ns = points->last_tick_ns ? tick_ns - points->last_tick_ns : interval_ns;

	points->last_tick_ns = tick_ns;
	if (period_ns < interval_ns)
		period_ns = interval_ns;
	for (int i = 0; i < rules->metrics; i++) {
		const struct sl_metric *metric = &rules->metric[i];
		const struct sl_account *account = &job->account[metric->source];

		values[i] = NAN;
		if (metric->tier != tier || !(account->known & SL_BIT(metric->field)))
			continue;
		if (metric->is_gauge)
			values[i] = (double)account->last[metric->field] * metric->scale;
		else
			values[i] = rate(points, i, (int64_t)account->last[metric->field] + account->carried[metric->field],
					 period_ns, metric->scale);
	}
}
