/* A test says what must hold and goes on; the program's exit status says whether all did. */
#ifndef SLURMLENS_CHECK_H
#define SLURMLENS_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "group.h"

static int failed_checks;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			failed_checks++; \
		} \
	} while (0)

#define CHECK_U64(got, expected) \
	do { \
		uint64_t got_ = (got), expected_ = (expected); \
		if (got_ != expected_) { \
			fprintf(stderr, "%s:%d: %s is %" PRIu64 ", not %" PRIu64 "\n", __FILE__, __LINE__, #got, got_, \
			        expected_); \
			failed_checks++; \
		} \
	} while (0)

#define HAS(reading, field) (((reading)->have >> (field)) & 1)

/* The field was read and is this. */
#define CHECK_FIELD(reading, field, expected) \
	do { \
		CHECK(HAS(reading, field)); \
		CHECK_U64((reading)->value[field], expected); \
	} while (0)

/* The field is unavailable, and nobody can take it for a number. */
#define CHECK_NO_FIELD(reading, field) \
	do { \
		CHECK(!HAS(reading, field)); \
		CHECK_U64((reading)->value[field], 0); \
	} while (0)

static inline int end_of_checks(const char *name)
{
	printf("%s: %s\n", name, failed_checks ? "FAILED" : "ok");
	return failed_checks ? 1 : 0;
}

#endif
