/* What each parser takes, and what it refuses: text in buffers of exactly its size, so that ASan sees every byte too far. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"

static const struct sl_file *find_file(const struct sl_table *table, const char *name)
{
	for (int i = 0; i < table->count; i++) {
		if (strcmp(table->files[i].name, name) == 0)
			return &table->files[i];
	}
	fprintf(stderr, "no file %s in the table\n", name);
	exit(2);
}

/* Parses a copy of the text that ends where its memory ends. */
static int parse(const struct sl_table *table, const char *name, const char *text, struct sl_reading *out)
{
	const struct sl_file *file = find_file(table, name);
	size_t length = strlen(text);
	char *copy = malloc(length ? length : 1);
	int rc;

	memcpy(copy, text, length);
	memset(out, 0, sizeof(*out));
	rc = sl_parse_file(file, (struct sl_text){copy, copy + length}, out);
	free(copy);
	return rc;
}

static void test_single_numbers(void)
{
	struct sl_reading out;

	CHECK(parse(&sl_table_v2, "memory.current", "170680320\n", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_CURRENT_BYTES, 170680320);
	CHECK(parse(&sl_table_v2, "memory.current", "18446744073709551615", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_CURRENT_BYTES, UINT64_MAX);
	CHECK(parse(&sl_table_v2, "memory.current", "0\n", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_CURRENT_BYTES, 0);
	CHECK(parse(&sl_table_v2, "memory.current", "18446744073709551616\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "memory.current", "", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "memory.current", "\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "memory.current", "-1\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "memory.current", "12 13\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "memory.current", "max\n", &out) == -EBADMSG);
}

static void test_limits(void)
{
	struct sl_reading out;

	CHECK(parse(&sl_table_v2, "memory.max", "629145600\n", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_LIMIT_BYTES, 629145600);
	CHECK(parse(&sl_table_v2, "memory.max", "max\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_MEMORY_LIMIT_BYTES);
	CHECK(parse(&sl_table_v2, "memory.max", "maximum\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v1, "memory.limit_in_bytes", "629145600\n", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_LIMIT_BYTES, 629145600);
	/* "no limit" with pages of 4 and of 64 KiB */
	CHECK(parse(&sl_table_v1, "memory.limit_in_bytes", "9223372036854771712\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_MEMORY_LIMIT_BYTES);
	CHECK(parse(&sl_table_v1, "memory.limit_in_bytes", "9223372036854710272\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_MEMORY_LIMIT_BYTES);
}

static void test_keyed_files(void)
{
	struct sl_reading out;

	CHECK(parse(&sl_table_v2, "cpu.stat", "usage_usec 7\nuser_usec 4\nsystem_usec 3\n", &out) == 0);
	CHECK_FIELD(&out, SL_CPU_USAGE_NS, 7000);
	CHECK_FIELD(&out, SL_CPU_USER_NS, 4000);
	CHECK_NO_FIELD(&out, SL_CPU_PERIODS);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage_usec 18446744073709551\n", &out) == 0);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage_usec 18446744073709552\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage_usec\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage_usec 7x\n", &out) == -EBADMSG);
	/* whole, and none of our keys in it: another kernel's, not damaged */
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage 7\n", &out) == 0);
	CHECK(out.have == 0);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage 7\nx\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.stat", "usage 7\n\n", &out) == -EBADMSG);
	/* before Linux 4.13 kills are not counted */
	CHECK(parse(&sl_table_v1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_OOM_KILL_EVENTS);
	CHECK(parse(&sl_table_v1, "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_OOM_KILL_EVENTS);
	CHECK(parse(&sl_table_v1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", &out) == 0);
	CHECK_FIELD(&out, SL_OOM_KILL_EVENTS, 2);
	CHECK(parse(&sl_table_v1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\nx", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.stat", "", &out) == -EBADMSG);
	/* no newline at the end: still whole, for a file that was cut is refused before */
	CHECK(parse(&sl_table_v2, "memory.events", "oom 1\noom_kill 2", &out) == 0);
	CHECK_FIELD(&out, SL_OOM_EVENTS, 1);
	CHECK_FIELD(&out, SL_OOM_KILL_EVENTS, 2);
	CHECK_NO_FIELD(&out, SL_MEMORY_HIGH_EVENTS);
	CHECK(parse(&sl_table_v1, "memory.stat", "rss 1\ncache 2\ntotal_rss_huge 3\ntotal_rss 4\n", &out) == 0);
	CHECK_FIELD(&out, SL_MEMORY_RSS_BYTES, 4);
	CHECK_NO_FIELD(&out, SL_MEMORY_CACHE_BYTES);
	CHECK(parse(&sl_table_v1, "cpuacct.stat", "user 623\nsystem 40\n", &out) == 0);
	CHECK_FIELD(&out, SL_CPU_USER_NS, UINT64_C(6230000000));
	CHECK_FIELD(&out, SL_CPU_SYSTEM_NS, UINT64_C(400000000));
}

static void test_io(void)
{
	struct sl_reading out;

	CHECK(parse(&sl_table_v2, "io.stat",
	            "254:0 rbytes=35 wbytes=32 rios=4 wios=3 dbytes=9 dios=1\n8:16 rbytes=1 wbytes=2 rios=3 wios=4\n",
	            &out) == 0);
	CHECK_FIELD(&out, SL_IO_READ_BYTES, 36);
	CHECK_FIELD(&out, SL_IO_WRITTEN_BYTES, 34);
	CHECK_FIELD(&out, SL_IO_READS, 7);
	CHECK_FIELD(&out, SL_IO_WRITES, 7);
	CHECK(parse(&sl_table_v2, "io.stat", "", &out) == 0);
	CHECK_FIELD(&out, SL_IO_READ_BYTES, 0);
	CHECK(parse(&sl_table_v2, "io.stat", "254:0\n8:0 cost.usage=12 rbytes=5\n", &out) == 0);
	CHECK_FIELD(&out, SL_IO_READ_BYTES, 5);
	CHECK(parse(&sl_table_v2, "io.stat", "8:0 rbytes=5\n(unknown) rbytes=7 wios=1\n259:1 rbytes=1\n", &out) == 0);
	CHECK_FIELD(&out, SL_IO_READ_BYTES, 13);
	CHECK_FIELD(&out, SL_IO_WRITES, 1);
	CHECK(parse(&sl_table_v2, "io.stat", "254:0 rbytes=\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "io.stat", "254:0 rbytes=5x\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "io.stat", "sda rbytes=5\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "io.stat", "8:0 rbytes=18446744073709551615\n8:1 rbytes=1\n", &out) == -EBADMSG);
}

static void test_pressure(void)
{
	struct sl_reading out;

	CHECK(parse(&sl_table_v2, "cpu.pressure",
	            "some avg10=1.69 avg60=0.99 avg300=0.32 total=1431316\nfull avg10=0.37 avg60=0.18 avg300=0.06 "
	            "total=386978\n",
	            &out) == 0);
	CHECK_FIELD(&out, SL_PRESSURE_CPU_SOME_US, 1431316);
	CHECK_FIELD(&out, SL_PRESSURE_CPU_FULL_US, 386978);
	CHECK(parse(&sl_table_v2, "cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n", &out) == 0);
	CHECK_FIELD(&out, SL_PRESSURE_CPU_SOME_US, 5);
	CHECK_NO_FIELD(&out, SL_PRESSURE_CPU_FULL_US);
	CHECK(parse(&sl_table_node_pressure, "cpu", "some total=5\nfull total=0\n", &out) == 0);
	CHECK_NO_FIELD(&out, SL_PRESSURE_CPU_FULL_US);
	CHECK(parse(&sl_table_v2, "cpu.pressure", "some total=\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.pressure", "some avg10=0.00\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.pressure", "most total=5\n", &out) == -EBADMSG);
	CHECK(parse(&sl_table_v2, "cpu.pressure", "", &out) == -EBADMSG);
}

static void test_every_field_has_one_file_per_hierarchy(void)
{
	const struct sl_table *tables[] = {&sl_table_v1, &sl_table_v2, &sl_table_node_pressure};

	for (int t = 0; t < 3; t++) {
		uint64_t seen = 0;

		CHECK(tables[t]->count <= SL_FILES_MAX);
		for (int i = 0; i < tables[t]->count; i++) {
			CHECK((seen & tables[t]->files[i].fields) == 0);
			seen |= tables[t]->files[i].fields;
		}
	}
	CHECK_U64(sl_hierarchy_fields(SL_V2), (UINT64_C(1) << SL_FIELDS) - 1);
}

int main(void)
{
	test_single_numbers();
	test_limits();
	test_keyed_files();
	test_io();
	test_pressure();
	test_every_field_has_one_file_per_hierarchy();
	return end_of_checks("parse");
}
