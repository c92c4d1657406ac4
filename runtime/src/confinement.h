/* What a program may ask of Linux that is started confined. */
#ifndef CONFINEMENT_H
#define CONFINEMENT_H

#include <stdbool.h>

/*
 * In a child, as the last thing before execve(2): for good, and for all that comes after it. The descriptor that answers for execve goes to
 * the parent through `channel`, a Unix socket that keeps messages apart. false with errno.
 */
bool confinement_begin(int channel);

/*
 * In the parent: the errno that the child writes into the channel, as one int, or 0 when the channel closes because the child has become its
 * program. Meanwhile the first execve of a confined child is let through, and no other one ever.
 */
int confinement_outcome(int channel);

#endif
