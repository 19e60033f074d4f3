/* Numbers and keyed lines; see number_parse.h. */
#include "number_parse.h"

#include <errno.h>
#include <string.h>

enum { DIGITS_THAT_FIT = 19 };

int sl_take_u64(struct sl_text *text, uint64_t *value)
{
	const char *at = text->at;
	const char *fitting = text->end - at > DIGITS_THAT_FIT ? at + DIGITS_THAT_FIT : text->end;
	uint64_t number = 0;
	unsigned int digit;

	for (; at < fitting && (digit = (unsigned int)*at - '0') <= 9; at++)
		number = number * 10 + digit;
	for (; at < text->end && (digit = (unsigned int)*at - '0') <= 9; at++) {
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)digit, &number))
			return -EBADMSG;
	}
	if (at == text->at)
		return -EBADMSG;
	text->at = at;
	*value = number;
	return 0;
}

int sl_take_word(struct sl_text *text, const char *word, size_t length)
{
	const char *at = text->at;

	/* Words are short, and most differ in their first letters: cheaper than a call of memcmp. */
	if ((size_t)(text->end - at) < length)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (at[i] != word[i])
			return 0;
	}
	text->at = at + length;
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

/* Lines are short as well. */
static void skip_line(struct sl_text *text)
{
	const char *at = text->at;

	while (at < text->end && *at != '\n')
		at++;
	text->at = at < text->end ? at + 1 : at;
}

/* A value and the end of its line, or of the text. */
static int take_value(struct sl_text *text, uint64_t *value)
{
	if (sl_take_u64(text, value) != 0)
		return -EBADMSG;
	return text->at == text->end || sl_take_word(text, "\n", 1) ? 0 : -EBADMSG;
}

/* One line against the keys: the number of the key that it has, -ENOENT when it has none, -EBADMSG. */
static int take_keyed_line(struct sl_text *text, const struct sl_key *keys, int count, int likely,
                           struct sl_reading *out)
{
	for (int i = 0; i < count; i++) {
		const struct sl_key *key = &keys[likely + i < count ? likely + i : likely + i - count];
		struct sl_text rest = *text;
		uint64_t value;

		if (!sl_take_word(&rest, key->name, key->length) || !sl_take_word(&rest, " ", 1))
			continue;
		if (take_value(&rest, &value) != 0 || sl_put(out, key->field, value, key->scale) != 0)
			return -EBADMSG;
		*text = rest;
		return (int)(key - keys);
	}
	skip_line(text);
	return -ENOENT;
}

__attribute__((cold, noinline)) int sl_is_keyed(struct sl_text text)
{
	struct sl_text line;
	uint64_t value;

	if (text.at == text.end)
		return 0;
	while (sl_take_line(&text, &line)) {
		const char *key = line.at;

		while (line.at < line.end && *line.at != ' ')
			line.at++;
		if (line.at == key || !sl_take_word(&line, " ", 1) || take_value(&line, &value) != 0)
			return 0;
	}
	return 1;
}

int sl_parse_keyed(struct sl_text text, const struct sl_key *keys, int count, struct sl_reading *out)
{
	const int all = (1 << count) - 1;
	int taken = 0;
	int likely = 0;

	while (taken != all && text.at < text.end) {
		int found = take_keyed_line(&text, keys, count, likely, out);

		if (found == -EBADMSG)
			return found;
		if (found >= 0) {
			taken |= 1 << found;
			likely = found + 1 < count ? found + 1 : 0;
		}
	}
	return taken ? 0 : -ENODATA;
}
