/* What the user asks of us by environment variables: the one list of their names. */
#ifndef SLURMLENS_REQUESTS_H
#define SLURMLENS_REQUESTS_H

#include <slurm/spank.h>

#define OFF_VARIABLE "SLURMLENS_OFF"
/* Read by the clients that speak from inside a job, and by nobody here. */
#define PROGRESS_VARIABLE "SLURMLENS_PROGRESS"
#define LONGEST_REQUEST 256

/* Those that travel with the step's start; the node daemon says what they mean and checks them. */
enum request { INTERVAL, TAG, NOTIFY, REQUESTS };

struct requests {
	int is_off; /* nothing is told of this step */
	char text[REQUESTS][LONGEST_REQUEST]; /* "" where not asked for, or too long */
};

const char *request_variable(enum request request);

/* In a step; a variable that is not set, or cannot be read here (the extern step has none), asks for nothing. */
struct requests read_requests(spank_t spank);

#endif
