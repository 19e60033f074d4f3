/* A step's start and exit as text: docs/specs/step-event.md. */
#ifndef SLURMLENS_STEP_EVENT_H
#define SLURMLENS_STEP_EVENT_H

#include "../text.h"
#include "step.h"

/* All that a step can say fits: every part is bounded. */
#define LONGEST_STEP_EVENT (12 * 1024)

#define START_ROLE "step-start"
#define EXIT_ROLE "step-exit"

void compose_start(struct text *text, const struct step *step, const unsigned char *randomness, uint64_t boottime_ns);
void compose_exit(struct text *text, const struct step *step, const unsigned char *randomness, uint64_t boottime_ns);

#endif
