/*
 * Pressure stall information (Documentation/accounting/psi.rst), of a v2 cgroup or of the whole node (/proc/pressure).
 * "full" of the CPU is there from kernel 5.13 on.
 */
#include <errno.h>

#include "files.h"

/* Finds "total=N" in the rest of a line. */
static int take_total(struct sl_text line, uint64_t *total)
{
	while (line.at < line.end) {
		if (sl_take_word(&line, " total=", 7))
			return sl_take_u64(&line, total) || line.at != line.end ? -EBADMSG : 0;
		line.at++;
	}
	return -EBADMSG;
}

int sl_file_pressure(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	struct sl_text line;
	uint64_t total;
	int lines = 0;

	for (; sl_take_line(&text, &line); lines++) {
		int field = file->field;

		if (sl_take_word(&line, "full", 4))
			field++;
		else if (!sl_take_word(&line, "some", 4))
			return -EBADMSG;
		if (take_total(line, &total))
			return -EBADMSG;
		if (file->fields & SL_BIT(field))
			sl_put(out, field, total, 1);
	}
	return lines > 0 ? 0 : -EBADMSG;
}

#define PRESSURE(name, some) {name, 0, SL_TIER_FAST, some, 0, NULL, SL_BIT(some) | SL_BIT((some) + 1), sl_file_pressure}

/* For the whole node the kernel writes "full" of the CPU for the sake of the format, always 0: it is undefined there. */
static const struct sl_file files[] = {
        {"cpu", 0, SL_TIER_FAST, SL_PRESSURE_CPU_SOME_US, 0, NULL, SL_BIT(SL_PRESSURE_CPU_SOME_US), sl_file_pressure},
        PRESSURE("memory", SL_PRESSURE_MEMORY_SOME_US),
        PRESSURE("io", SL_PRESSURE_IO_SOME_US),
};

const struct sl_table sl_table_node_pressure = {files, sizeof(files) / sizeof(files[0]), 1};
