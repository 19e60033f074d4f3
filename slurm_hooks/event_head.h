/* What every event begins with, whoever writes it: docs/specs/hook-event.md. */
#ifndef SLURMLENS_EVENT_HEAD_H
#define SLURMLENS_EVENT_HEAD_H

#include "text.h"

#include <stdint.h>

#pragma GCC visibility push(hidden)

#define RANDOM_BYTES 16

/* The opening brace and the keys from "v" to "boottime_ns"; `randomness` has RANDOM_BYTES and makes the event's id. */
void append_head(struct text *text, const char *role, const unsigned char *randomness, uint64_t boottime_ns);

#pragma GCC visibility pop

#endif
