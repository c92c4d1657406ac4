/* The JavaScript heap: one mapping that can be copied aside (snapshot) and copied back (rollback). */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_LIMIT_MIN (1ul << 20)
#define ARENA_LIMIT_MAX (1ul << 30)

struct arena_stats {
  size_t used, limit, snapshot; /* bytes; snapshot is 0 before the first one */
};

bool arena_create(size_t limit);
void *arena_alloc(size_t size); /* 16-byte aligned; NULL when the arena is full */
void arena_free(void *address);
void *arena_realloc(void *address, size_t size); /* NULL leaves the old block as it was */
size_t arena_usable(const void *address);

bool arena_snapshot(void);
void arena_rollback(void);
/* Where the snapshot keeps the bytes of `address`; NULL when it has none. */
void *arena_snapshot_twin(const void *address);
struct arena_stats arena_stats(void);
/* How often arena_alloc() or arena_realloc() found no room; not rolled back. */
unsigned long arena_refusals(void);
/* Walks all blocks and bins; aborts when they contradict one another. For tests. */
void arena_check(void);

#endif
