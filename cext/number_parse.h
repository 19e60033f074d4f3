/* Numbers and keyed lines in the text of kernel files. Nothing here reads past `end` or needs a terminating zero. */
#ifndef SLURMLENS_NUMBER_PARSE_H
#define SLURMLENS_NUMBER_PARSE_H

#include "slurmlens_cgroup.h"

struct sl_text {
	const char *at;
	const char *end;
};

/* Takes an unsigned decimal from the front. -EBADMSG: no digit there, or more than 64 bits. */
int sl_take_u64(struct sl_text *text, uint64_t *value);

/* Takes `word` from the front; 0 when something else is there (nothing is taken then). */
int sl_take_word(struct sl_text *text, const char *word, size_t length);

/* Takes the rest of the line. Returns 0 when there was none. */
int sl_take_line(struct sl_text *text, struct sl_text *line);

/* A file that is one number and a newline. -EBADMSG for anything else. */
int sl_parse_single(struct sl_text text, uint64_t *value);

/* Puts value * scale into the reading; -EBADMSG when that does not fit in 64 bits. */
int sl_put(struct sl_reading *out, int field, uint64_t value, uint64_t scale);

/* One key of a file of "key value" lines, and where its value goes. */
struct sl_key {
	const char *name;
	uint8_t length;
	uint8_t field;
	uint32_t scale;
};

#define SL_KEY(text, field, scale) {text, sizeof(text) - 1, field, scale}

/*
 * Takes the keys that are there (30 at most) from a file of "key value" lines. -ENODATA when none is: another kernel's file
 * or none at all (sl_is_keyed). -EBADMSG when a wanted value is damaged: the whole file is in doubt then, and the caller
 * takes back what was put.
 */
int sl_parse_keyed(struct sl_text text, const struct sl_key *keys, int count, struct sl_reading *out);

/* Whether all of it is lines of a key and a number: then keys that are missing are those of another kernel. */
int sl_is_keyed(struct sl_text text);

#endif
