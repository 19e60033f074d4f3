/*
 * The table of counter files: which there are in each hierarchy, how often each is read, and how its text becomes fields.
 * Rows stand in v1.c, v2.c and pressure.c; adding a counter is adding a row (and its field in metrics.py).
 */
#ifndef SLURMLENS_FILES_H
#define SLURMLENS_FILES_H

#include <errno.h>

#include "number_parse.h"

struct sl_file;

/* Puts what `text` says into `out`; 0, -ENODATA (nothing that is wanted is there) or -EBADMSG. */
typedef int (*sl_parser)(const struct sl_file *file, struct sl_text text, struct sl_reading *out);

struct sl_file {
	const char *name;
	uint8_t folder; /* v1: 0 cpuacct, 1 memory */
	uint8_t tier;
	uint8_t field; /* first field */
	uint8_t key_count;
	const struct sl_key *keys;
	uint64_t fields;
	sl_parser parse;
};

struct sl_table {
	const struct sl_file *files;
	int count;
	int folders;
};

extern const struct sl_table sl_table_v1;
extern const struct sl_table sl_table_v2;
extern const struct sl_table sl_table_node_pressure;

#define SL_BIT(field) (UINT64_C(1) << (field))

/*
 * The file's parser, and what follows where it found nothing: a whole file without the wanted keys is another kernel's, and
 * right. 0 or -EBADMSG (the caller takes the file's fields back then). The second look stands here, so that nobody who finds
 * his keys pays for it.
 */
static inline int sl_parse_file(const struct sl_file *file, struct sl_text text, struct sl_reading *out)
{
	int rc = file->parse(file, text, out);

	if (__builtin_expect(rc == -ENODATA, 0))
		return sl_is_keyed(text) ? 0 : -EBADMSG;
	return rc;
}

/* One number: file->field. */
int sl_file_number(const struct sl_file *file, struct sl_text text, struct sl_reading *out);
/* One number, or the word "max", which is none: file->field. */
int sl_file_number_or_max(const struct sl_file *file, struct sl_text text, struct sl_reading *out);
/* Lines of "key value": file->keys. */
int sl_file_keyed(const struct sl_file *file, struct sl_text text, struct sl_reading *out);
/* Pressure stall information, totals in us: file->field is "some", the next one "full". */
int sl_file_pressure(const struct sl_file *file, struct sl_text text, struct sl_reading *out);

#endif
