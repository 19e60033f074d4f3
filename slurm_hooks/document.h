/* One event as JSON: docs/specs/hook-event.md. */
#ifndef SLURMLENS_DOCUMENT_H
#define SLURMLENS_DOCUMENT_H

#include "text.h"
#include "variables.h"

#include <stdint.h>

#pragma GCC visibility push(hidden)

#define LONGEST_DOCUMENT (16 * 1024)

/* The values of VARIABLES, in that order; NULL where a variable is not set. They point into the environment. */
struct values {
	const char *of[VARIABLE_COUNT];
};

void find_values(char **environment, struct values *values);

/* Forgets those that the hooks of slurmctld alone tell. */
void forget_slurmctlds_values(struct values *values);

/* Of a variable that stands in VARIABLES. */
const char *value_of(const struct values *values, const char *name);

/* `text` must hold LONGEST_DOCUMENT; `randomness` has 16 bytes. */
void compose(struct text *text, const char *role, const struct values *values, const unsigned char *randomness,
             uint64_t boottime_ns);

#pragma GCC visibility pop

#endif
