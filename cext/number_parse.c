/* Numbers and keyed lines; see number_parse.h. */
#include "number_parse.h"

#include <errno.h>
#include <string.h>

int sl_take_u64(struct sl_text *text, uint64_t *value)
{
	const char *at = text->at;
	uint64_t number = 0;

	while (at < text->end && *at >= '0' && *at <= '9') {
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -EBADMSG;
		at++;
	}
	if (at == text->at)
		return -EBADMSG;
	text->at = at;
	*value = number;
	return 0;
}

int sl_take_word(struct sl_text *text, const char *word, size_t length)
{
	/* Most words differ in their first letter: that spares the call. */
	if ((size_t)(text->end - text->at) < length || *text->at != *word || memcmp(text->at, word, length) != 0)
		return 0;
	text->at += length;
	return 1;
}

int sl_take_line(struct sl_text *text, struct sl_text *line)
{
	const char *newline;

	if (text->at >= text->end)
		return 0;
	newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
	line->at = text->at;
	line->end = newline ? newline : text->end;
	text->at = newline ? newline + 1 : text->end;
	return 1;
}

int sl_parse_single(struct sl_text text, uint64_t *value)
{
	if (sl_take_u64(&text, value) != 0)
		return -EBADMSG;
	sl_take_word(&text, "\n", 1);
	return text.at == text.end ? 0 : -EBADMSG;
}

int sl_put(struct sl_reading *out, int field, uint64_t value, uint64_t scale)
{
	uint64_t scaled;

	if (__builtin_mul_overflow(value, scale, &scaled))
		return -EBADMSG;
	out->value[field] = scaled;
	out->have |= UINT64_C(1) << field;
	return 0;
}

/* One line against the keys: the bit of the key that it has, 0 when it has none, -EBADMSG. */
static int take_keyed_line(struct sl_text line, const struct sl_key *keys, int count, struct sl_reading *out)
{
	uint64_t value;

	for (int i = 0; i < count; i++) {
		struct sl_text rest = line;

		if (!sl_take_word(&rest, keys[i].name, keys[i].length) || !sl_take_word(&rest, " ", 1))
			continue;
		if (sl_take_u64(&rest, &value) != 0 || rest.at != rest.end)
			return -EBADMSG;
		return sl_put(out, keys[i].field, value, keys[i].scale) == 0 ? 1 << i : -EBADMSG;
	}
	return 0;
}

int sl_parse_keyed(struct sl_text text, const struct sl_key *keys, int count, struct sl_reading *out)
{
	const int all = (1 << count) - 1;
	struct sl_text line;
	int taken = 0;

	while (taken != all && sl_take_line(&text, &line)) {
		int bit = take_keyed_line(line, keys, count, out);

		if (bit < 0)
			return bit;
		taken |= bit;
	}
	return taken ? 0 : -EBADMSG;
}
