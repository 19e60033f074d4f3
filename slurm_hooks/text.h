/* Putting a text together in a buffer of fixed size; what does not fit is not appended. */
#ifndef SLURMLENS_TEXT_H
#define SLURMLENS_TEXT_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

struct text {
	char *start;
	size_t used;
	size_t size;
};

/* An empty text. A function and no initialiser: gcc may build that from a constant with a pointer, which nobody relocates. */
struct text text_in(char *buffer, size_t size);

size_t length_of(const char *string);
/* Of two strings: their first `length` bytes; reads neither behind its end. */
int same_start(const char *left, const char *right, size_t length);
int same(const char *left, const char *right);
int ends_with(const char *string, const char *end);

void append_char(struct text *text, char character);
void append(struct text *text, const char *string);
void append_number(struct text *text, uint64_t number, int least_digits);
void append_hex(struct text *text, unsigned char byte);

/* A byte inside a JSON string: what is not printable ASCII becomes the code point of the same number, so any bytes survive. */
void append_escaped(struct text *text, unsigned char byte);
size_t escaped_size(unsigned char byte);

#pragma GCC visibility pop

#endif
