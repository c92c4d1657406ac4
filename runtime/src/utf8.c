#include "utf8.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};

void utf8_replace_surrogates(uint8_t *text, size_t length) {
  for (size_t i = 0; i + 2 < length; i++)
    if (text[i] == 0xed && text[i + 1] >= 0xa0)
      memcpy(text + i, replacement, sizeof replacement);
}

/* Length of the well-formed sequence at `bytes`, or 0 with *bad set to the length of the ill-formed part. */
static size_t sequence(const uint8_t *bytes, size_t length, size_t *bad) {
  uint8_t first = bytes[0];
  size_t wanted = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  /* The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF. */
  uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  *bad = 1;
  for (size_t i = 1; i < wanted; i++) {
    if (i >= length || bytes[i] < low || bytes[i] > high) {
      *bad = i;
      return 0;
    }
    low = 0x80;
    high = 0xbf;
  }
  return wanted;
}

char *utf8_decode(const uint8_t *bytes, size_t length, size_t *out_length, bool *valid) {
  char *out = malloc(length * sizeof replacement + 1);
  *valid = true;
  *out_length = 0;
  if (!out)
    return NULL;
  size_t i = length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  while (i < length) {
    size_t bad, good = sequence(bytes + i, length - i, &bad);
    if (good) {
      memcpy(out + *out_length, bytes + i, good);
    } else {
      *valid = false;
      memcpy(out + *out_length, replacement, sizeof replacement);
    }
    *out_length += good ? good : sizeof replacement;
    i += good ? good : bad;
  }
  out[*out_length] = 0;
  return out;
}
