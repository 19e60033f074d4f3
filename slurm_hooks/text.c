/* Strings and numbers into a buffer; see text.h. */
#include "text.h"

#define MOST_DIGITS 20

struct text text_in(char *buffer, size_t size)
{
	struct text text;
	text.start = buffer;
	text.used = 0;
	text.size = size;
	return text;
}

size_t length_of(const char *string)
{
	size_t length = 0;
	while (string[length])
		length++;
	return length;
}

int same_start(const char *left, const char *right, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (left[i] != right[i])
			return 0;
		if (!left[i])
			break;
	}
	return 1;
}

int same(const char *left, const char *right)
{
	return same_start(left, right, length_of(left) + 1);
}

int ends_with(const char *string, const char *end)
{
	size_t length = length_of(string), wanted = length_of(end);
	return length >= wanted && same(string + length - wanted, end);
}

void append_char(struct text *text, char character)
{
	if (text->used < text->size)
		text->start[text->used++] = character;
}

void append(struct text *text, const char *string)
{
	while (*string)
		append_char(text, *string++);
}

void append_number(struct text *text, uint64_t number, int least_digits)
{
	char digits[MOST_DIGITS];
	int count = 0;
	do
		digits[count++] = (char)('0' + number % 10);
	while ((number /= 10) && count < MOST_DIGITS);
	for (int i = count; i < least_digits; i++)
		append_char(text, '0');
	while (count)
		append_char(text, digits[--count]);
}

void append_hex(struct text *text, unsigned char byte)
{
	append_char(text, "0123456789abcdef"[byte >> 4]);
	append_char(text, "0123456789abcdef"[byte & 15]);
}

size_t escaped_size(unsigned char byte)
{
	if (byte == '"' || byte == '\\')
		return 2;
	return byte < 0x20 || byte >= 0x7f ? 6 : 1;
}

void append_escaped(struct text *text, unsigned char byte)
{
	switch (escaped_size(byte)) {
	case 6:
		append(text, "\\u00");
		append_hex(text, byte);
		break;
	case 2:
		append_char(text, '\\');
		/* fall through */
	default:
		append_char(text, (char)byte);
	}
}
