/* UTF-8 as the Encoding standard has it. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* QuickJS writes a lone surrogate as three bytes; U+FFFD takes three as well. */
void utf8_replace_surrogates(uint8_t *text, size_t length);
/* Each maximal ill-formed part becomes U+FFFD; a leading byte-order mark goes. To be freed; NULL: no memory. */
char *utf8_decode(const uint8_t *bytes, size_t length, size_t *out_length, bool *valid);

#endif
