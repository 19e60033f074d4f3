/* Accounts, profiles and points under ASan and UBSan: any readings in any course of time. What they say is compared with
 * a plain Python twin in tests/unit/cgroup/test_tick.py; here nothing may be written where it does not belong. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "slurmlens_tick.h"

enum { COLUMNS = 4, METRICS = 6, MAX_POINTS = 20, STEPS = 200, COURSES = 300 };

static struct sl_rules rules;

static void make_rules(void)
{
	rules.metrics = METRICS;
	rules.columns = COLUMNS;
	rules.gauges = UINT64_C(1) << SL_MEMORY_CURRENT_BYTES;
	for (int i = 0; i < METRICS; i++) {
		rules.metric[i].field = i % 2 ? SL_MEMORY_CURRENT_BYTES : SL_CPU_USAGE_NS;
		rules.metric[i].is_gauge = i % 2;
		rules.metric[i].source = i % SL_SOURCES;
		rules.metric[i].tier = i < 4 ? SL_TIER_FAST : SL_TIER_SLOW;
		rules.metric[i].column = i < COLUMNS ? i : -1;
		rules.metric[i].scale = 1e-9;
	}
}

static uint64_t any_number(void)
{
	uint64_t number = (uint64_t)rand() << 32 ^ (uint64_t)rand();

	return number >> rand() % 64;
}

static struct sl_reading any_reading(void)
{
	struct sl_reading reading = {.have = any_number()};

	for (int field = 0; field < SL_FIELDS; field++)
		reading.value[field] = any_number();
	reading.have &= (UINT64_C(1) << SL_FIELDS) - 1;
	reading.error = rand() % 8 == 0 ? 19 : 0;
	return reading;
}

static void check_profile(const struct sl_profile *profile)
{
	double rows[4 * MAX_POINTS];

	CHECK(profile->count <= profile->max_points);
	CHECK((profile->there & ~profile->columns) == 0);
	CHECK(sl_profile_bytes(profile) % 4096 == 0);
	for (int column = 0; column < COLUMNS; column++) {
		if (!(profile->columns & 1U << column))
			continue;
		sl_profile_column(profile, column, 0, rows);
		for (int bin = 0; bin < profile->count; bin++)
			CHECK(rows[4 * bin + 3] >= 0);
	}
}

static void live_one_job(void)
{
	struct sl_account job = {.counts_from_next = rand() % 2}, step = {0}, node = {0};
	struct sl_profile profile = {.offset_ns = 1795347263400000000,
	                             .width_ns = 1 + rand() % 2000000000,
	                             .max_points = 1 + rand() % MAX_POINTS};
	struct sl_points points = {.tier = SL_TIER_FAST};
	struct sl_member members[] = {{&job, &profile, &node, NULL}, {&step, NULL, NULL, &job}};
	struct sl_pointed pointed = {&points, {&job, NULL, &node}};
	double values[SL_METRICS_MAX];
	uint32_t mask;
	int64_t now_ns = 1;

	profile.first_bin = profile.offset_ns / profile.width_ns;
	sl_profile_begin(&profile, &rules, rand() % 2 ? now_ns : -1);
	for (int step_number = 0; step_number < STEPS; step_number++) {
		struct sl_reading pressure = any_reading(), readings[] = {any_reading(), any_reading()};
		struct sl_tick tick = {now_ns, 25000000000, 150000000000, rand() % 4 ? &pressure : NULL};

		CHECK(sl_take_all(members, readings, 2, &rules, &tick) <= 2);
		check_profile(&profile);
		CHECK(sl_points_all(&pointed, 1, &rules, now_ns, 10000000000, values, &mask) ==
		      (size_t)__builtin_popcount(mask));
		CHECK(sl_points_sum(&pointed, 1, &rules, now_ns, 10000000000, values) == 4);
		if (rand() % 16 == 0)
			sl_profile_halve(&profile, &rules);
		check_profile(&profile);
		now_ns += (int64_t)(any_number() >> (24 + rand() % 30)) - 1000;
	}
	sl_profile_free(&profile);
}

int main(void)
{
	make_rules();
	srand(1);
	for (int job = 0; job < COURSES; job++)
		live_one_job();
	return end_of_checks("tick");
}
