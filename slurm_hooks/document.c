/*
 * From the environment to the text of an event; see document.h.
 *
 * Bounded in each value and as a whole: what was cut or left out is named in "cut", so that nobody takes it for the truth.
 */
#include "document.h"
#include "event_head.h"

#define LONGEST_VALUE 1024
/* Kept free for the end of the document: every variable could have to be named as cut. */
#define LONGEST_END (VARIABLE_COUNT * (LONGEST_NAME + 3) + 16)

void find_values(char **environment, struct values *values)
{
	for (; *environment; environment++) {
		const char *entry = *environment;
		size_t length = 0;
		while (length <= LONGEST_NAME && entry[length] && entry[length] != '=')
			length++;
		if (entry[length] != '=')
			continue;
		for (size_t i = 0; i < VARIABLE_COUNT; i++)
			if (VARIABLES[i].length == length && !values->of[i] &&
			    same_start(VARIABLES[i].name, entry, length))
				values->of[i] = entry + length + 1;
	}
}

void forget_slurmctlds_values(struct values *values)
{
	for (size_t i = VARIABLE_COUNT - SLURMCTLD_VARIABLES; i < VARIABLE_COUNT; i++)
		values->of[i] = NULL;
}

const char *value_of(const struct values *values, const char *name)
{
	for (size_t i = 0; i < VARIABLE_COUNT; i++)
		if (same(VARIABLES[i].name, name))
			return values->of[i];
	return NULL;
}

/* Answers 0 where the value had to be cut, or left out because the document would get too long. */
static int append_variable(struct text *text, const char *name, const char *value, int is_first)
{
	size_t size = length_of(name) + 6, taken = 0;
	while (value[taken] && taken < LONGEST_VALUE)
		size += escaped_size((unsigned char)value[taken++]);
	if (text->used + size + LONGEST_END > text->size)
		return 0;
	append(text, is_first ? "\"" : ",\"");
	append(text, name);
	append(text, "\":\"");
	for (size_t i = 0; i < taken; i++)
		append_escaped(text, (unsigned char)value[i]);
	append_char(text, '"');
	return !value[taken];
}

static void append_environment(struct text *text, const struct values *values)
{
	unsigned char is_cut[VARIABLE_COUNT] = {0};
	int cuts = 0;
	append(text, ",\"env\":{");
	size_t begin = text->used;
	for (size_t i = 0; i < VARIABLE_COUNT; i++)
		if (values->of[i])
			is_cut[i] = !append_variable(text, VARIABLES[i].name, values->of[i], text->used == begin);
	append_char(text, '}');
	for (size_t i = 0; i < VARIABLE_COUNT; i++) {
		if (!is_cut[i])
			continue;
		append(text, cuts++ ? ",\"" : ",\"cut\":[\"");
		append(text, VARIABLES[i].name);
		append_char(text, '"');
	}
	append(text, cuts ? "]}\n" : "}\n");
}

void compose(struct text *text, const char *role, const struct values *values, const unsigned char *randomness,
             uint64_t boottime_ns)
{
	append_head(text, role, randomness, boottime_ns);
	append_environment(text, values);
}
