/* Log lines and clocks. */
#include "rt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void log_line(const char *line, size_t length) {
  char text[RT_LOG_MAX + 1];
  if (length > RT_LOG_MAX)
    length = RT_LOG_MAX;
  for (size_t i = 0; i < length; i++)
    text[i] = (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? ' ' : line[i];
  text[length] = '\n';
  if (write(STDERR_FILENO, text, length + 1) < 0)
    return; /* there is nowhere left to complain */
}

void log_format(const char *format, ...) {
  char line[RT_LOG_MAX + 1];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  log_line(line, strlen(line));
}

double clock_monotonic_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}
