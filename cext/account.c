/* The running account of one cgroup; see slurmlens_tick.h. */
#include <string.h>

#include "files.h"
#include "slurmlens_tick.h"

static int64_t clipped(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t sum_of(uint64_t value, int64_t carried)
{
	int64_t sum;

	return __builtin_add_overflow(clipped(value), carried, &sum) ? INT64_MAX : sum;
}

int64_t sl_account_total(const struct sl_account *account, int field)
{
	return sum_of(account->last[field], account->carried[field] + account->fallen[field]);
}

static void count_from(struct sl_account *account, const struct sl_rules *rules, const struct sl_reading *reading)
{
	for (int field = 0; field < SL_FIELDS; field++) {
		if (!(rules->gauges & SL_BIT(field)))
			account->carried[field] = -clipped(reading->value[field]);
	}
	account->counts_from_next = 0;
}

static void take_counter(struct sl_account *account, int field, uint64_t value)
{
	const uint64_t before = account->last[field];
	const uint64_t fallen = (uint64_t)account->fallen[field];

	/*
	 * An account whose cgroup was made anew is told so (it starts from zero then), so a fall is within one life: a part of
	 * the sum is away (a device left io.stat). What it had counted is kept, until the counter jumps by as much: it is back,
	 * and must not count twice. A jump by chance makes the total a lower bound.
	 */
	if (value < before) {
		account->fallen[field] = sum_of(before - value, account->fallen[field]);
		account->falls++;
	} else if (fallen != 0 && value - before >= fallen) {
		account->fallen[field] = 0;
	}
	account->last[field] = value;
}

static void take_gauge(struct sl_account *account, int field, uint64_t value)
{
	account->last[field] = value;
	if (value > account->highest[field])
		account->highest[field] = value;
}

void sl_account_take(struct sl_account *account, const struct sl_rules *rules, const struct sl_reading *reading,
                     int64_t now_ns)
{
	account->samples++;
	account->last_ns = now_ns;
	if (account->first_ns == 0)
		account->first_ns = now_ns;
	if (account->counts_from_next)
		count_from(account, rules, reading);
	for (uint64_t left = reading->have; left; left &= left - 1) {
		int field = __builtin_ctzll(left);

		if (rules->gauges & SL_BIT(field))
			take_gauge(account, field, reading->value[field]);
		else
			take_counter(account, field, reading->value[field]);
	}
	account->known |= reading->have;
}
