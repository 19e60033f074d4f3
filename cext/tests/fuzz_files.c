/*
 * Feeds damaged files to every parser. What must hold of any input: no byte is read beyond its end (ASan), nothing
 * overflows unseen (UBSan), only fields of the file are put, and a refused file leaves none after read_file's clean-up.
 *
 * With libFuzzer the first byte picks the parser. Without, argv[1] is a number of rounds and the other arguments are files:
 * each round takes one, damages it with a fixed random sequence, and tries all parsers.
 */
#include <errno.h>
#include <stdlib.h>

#include "check.h"

static const struct sl_table *const tables[] = {&sl_table_v1, &sl_table_v2, &sl_table_node_pressure};

static void try_file(const struct sl_file *file, const char *bytes, size_t length)
{
	char *copy = malloc(length ? length : 1); /* ends where the text ends */
	struct sl_reading out = {.have = 0};
	int rc;

	memcpy(copy, bytes, length);
	rc = sl_parse_file(file, (struct sl_text){copy, copy + length}, &out);
	free(copy);
	if ((rc != 0 && rc != -EBADMSG) || (out.have & ~file->fields))
		abort();
}

#ifdef SL_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0) {
		const struct sl_table *table = tables[data[0] % 3];

		try_file(&table->files[(data[0] / 3) % table->count], (const char *)data + 1, size - 1);
	}
	return 0;
}
#else

static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static size_t draw(size_t below) /* xorshift64*: the same sequence in every run */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return below ? (size_t)((state * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below : 0;
}

static size_t damage(char *text, size_t length, size_t space)
{
	static const char alphabet[] = "0123456789 \n=:.max\0-_rwtotal\xff";

	for (size_t times = 1 + draw(4); times > 0; times--) {
		size_t at = draw(length + 1);

		switch (draw(4)) {
		case 0: /* another byte */
			if (at < length)
				text[at] = alphabet[draw(sizeof(alphabet))];
			break;
		case 1: /* cut */
			length = at;
			break;
		case 2: /* a longer number */
			for (size_t i = 0; i < 24 && at + i < length; i++)
				text[at + i] = '9';
			break;
		default: /* a piece twice */
			if (length + (length - at) <= space) {
				memmove(text + length, text + at, length - at);
				length += length - at;
			}
		}
	}
	return length;
}

static void try_all(const char *text, size_t length)
{
	for (int t = 0; t < 3; t++) {
		for (int i = 0; i < tables[t]->count; i++)
			try_file(&tables[t]->files[i], text, length);
	}
}

int main(int argc, char **argv)
{
	static char text[2 * SL_TEXT_MAX];
	long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;

	if (rounds <= 0)
		return 2;
	for (long round = 0; round < rounds; round++) {
		FILE *file = fopen(argv[2 + draw((size_t)argc - 2)], "rb");
		size_t length;

		if (file == NULL)
			return 2;
		length = fread(text, 1, SL_TEXT_MAX, file);
		fclose(file);
		try_all(text, damage(text, length, sizeof(text)));
	}
	printf("fuzz: %ld damaged files, all parsers: ok\n", rounds);
	return 0;
}
#endif
