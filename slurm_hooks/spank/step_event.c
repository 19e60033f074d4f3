/* From a step to the text of an event; see step_event.h. */
#include "step_event.h"
#include "../event_head.h"

static void append_text(struct text *text, const char *key, const char *value)
{
	if (!value[0])
		return;
	append(text, ",\"");
	append(text, key);
	append(text, "\":\"");
	for (; *value; value++)
		append_escaped(text, (unsigned char)*value);
	append_char(text, '"');
}

static void append_value(struct text *text, const char *key, uint64_t value)
{
	append(text, ",\"");
	append(text, key);
	append(text, "\":");
	append_number(text, value, 1);
}

/* What both events say of the step. */
static void append_step(struct text *text, const struct step *step)
{
	append_text(text, "node", step->place.node);
	append_text(text, "sluid", step->place.sluid);
	for (int which = 0; which < STEP_NUMBERS; which++)
		if (is_known(step, (enum step_number)which))
			append_value(text, number_name((enum step_number)which), step->number[which]);
	append_text(text, "cores", step->cores);
	append_text(text, "tag", step->requests.text[TAG]);
}

void compose_start(struct text *text, const struct step *step, const unsigned char *randomness, uint64_t boottime_ns)
{
	append_head(text, START_ROLE, randomness, boottime_ns);
	append_step(text, step);
	append_text(text, "interval", step->requests.text[INTERVAL]);
	/* One node of a step says it for all. */
	if (!is_known(step, NODE_INDEX) || step->number[NODE_INDEX] == 0)
		append_text(text, "notify", step->requests.text[NOTIFY]);
	append(text, "}\n");
}

static void append_exits(struct text *text, const struct exit_codes *codes)
{
	append_value(text, "tasks_ended", codes->ended);
	append(text, ",\"exits\":[");
	for (uint32_t i = 0; i < codes->statuses; i++) {
		const struct exit_count *count = &codes->of[i];
		append(text, i ? ",[" : "[");
		append_number(text, (uint32_t)count->status, 1);
		append_char(text, ',');
		append_number(text, count->tasks, 1);
		append(text, ",[");
		for (uint32_t j = 0; j < count->named; j++) {
			if (j)
				append_char(text, ',');
			append_number(text, count->task[j], 1);
		}
		append(text, "]]");
	}
	append_char(text, ']');
}

static void append_counters(struct text *text, const struct step_counters *counters, int is_v2)
{
	const struct sl_reading *reading = &counters->reading;
	if (!counters->read_boottime_ns)
		return;
	append(text, ",\"counters\":{\"hierarchy\":\"");
	append(text, is_v2 ? "v2\"" : "v1\"");
	append_value(text, "read_boottime_ns", counters->read_boottime_ns);
	if (reading->error)
		append_value(text, "error", (uint64_t)reading->error);
	for (int field = 0; field < SL_FIELDS; field++)
		if (told_counter(field) && (reading->have >> field & 1))
			append_value(text, told_counter(field), reading->value[field]);
	append_char(text, '}');
}

void compose_exit(struct text *text, const struct step *step, const unsigned char *randomness, uint64_t boottime_ns)
{
	append_head(text, EXIT_ROLE, randomness, boottime_ns);
	append_step(text, step);
	append_exits(text, &step->exits);
	append_counters(text, &step->counters, step->place.is_v2);
	append(text, "}\n");
}
