/*
 * The arena against a model: every live block's bytes, its alignment and the allocator's own invariants, through random
 * allocations, frees, reallocations, snapshots and rollbacks. Usage: arena-test [seed [steps]]
 */
#include "../src/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 512
#define LIMIT (4u << 20)
#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

struct model {
  struct {
    uint8_t *address;
    size_t size;
    uint8_t fill;
  } blocks[BLOCKS];
};

static struct model now, saved;
static uint64_t state;
static unsigned long step;

static void fail(const char *what, int line) {
  fprintf(stderr, "not ok arena: step %lu, line %d: %s\n", step, line, what);
  exit(1);
}

static uint32_t random_below(uint32_t limit) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % limit;
}

/* Mostly small, sometimes large, as JavaScript's are. */
static size_t random_size(void) {
  switch (random_below(10)) {
    case 0: return 1 + random_below(200000);
    case 1: return 1 + random_below(5000);
    default: return 1 + random_below(300);
  }
}

static void verify_block(int i) {
  for (size_t byte = 0; byte < now.blocks[i].size; byte++)
    CHECK(now.blocks[i].address[byte] == now.blocks[i].fill);
}

static void fill_block(int i, void *address, size_t size) {
  CHECK((uintptr_t)address % 16 == 0 && arena_usable(address) >= size);
  now.blocks[i].address = address;
  now.blocks[i].size = size;
  now.blocks[i].fill = (uint8_t)random_below(256);
  memset(address, now.blocks[i].fill, arena_usable(address)); /* all of it is the caller's */
}

static void change_block(int i) {
  size_t size = random_size();
  if (!now.blocks[i].address) {
    void *address = arena_alloc(size);
    if (address)
      fill_block(i, address, size);
    return;
  }
  verify_block(i);
  if (random_below(2)) {
    arena_free(now.blocks[i].address);
    now.blocks[i].address = NULL;
    now.blocks[i].size = 0;
    return;
  }
  uint8_t *moved = arena_realloc(now.blocks[i].address, size);
  if (!moved)
    return verify_block(i);
  for (size_t byte = 0; byte < size && byte < now.blocks[i].size; byte++)
    CHECK(moved[byte] == now.blocks[i].fill);
  fill_block(i, moved, size);
}

static void verify_all(void) {
  for (int i = 0; i < BLOCKS; i++)
    verify_block(i);
  arena_check();
}

static void test_random(unsigned long steps) {
  bool have_snapshot = false;
  for (step = 0; step < steps; step++) {
    change_block((int)random_below(BLOCKS));
    if (random_below(500) == 0)
      verify_all();
    if (random_below(3000) == 0) {
      CHECK(arena_snapshot());
      saved = now;
      have_snapshot = true;
    }
    if (have_snapshot && random_below(800) == 0) {
      arena_rollback();
      now = saved;
      verify_all();
    }
  }
}

/* Everything freed leaves the arena as it was, in one piece. */
static void test_all_freed(size_t used_at_start) {
  for (int i = 0; i < BLOCKS; i++) {
    arena_free(now.blocks[i].address);
    now.blocks[i].address = NULL;
    now.blocks[i].size = 0;
  }
  arena_check();
  CHECK(arena_stats().used == used_at_start);
  void *large = arena_alloc(LIMIT - LIMIT / 64);
  CHECK(large != NULL);
  arena_free(large);
}

static void test_limits(void) {
  unsigned long refusals = arena_refusals();
  CHECK(!arena_alloc(LIMIT) && !arena_alloc(SIZE_MAX) && !arena_alloc(SIZE_MAX - 7));
  CHECK(arena_refusals() == refusals + 3);
  void *block = arena_alloc(100);
  memset(block, 7, 100);
  CHECK(!arena_realloc(block, SIZE_MAX) && !arena_realloc(block, LIMIT));
  CHECK(((uint8_t *)block)[99] == 7);
  arena_free(block);
  arena_free(NULL);
}

/* What was written above the snapshot is gone, not merely unreachable. */
static void test_forgets(size_t size) {
  CHECK(arena_snapshot());
  uint8_t *secret = arena_alloc(size);
  CHECK(secret != NULL);
  memset(secret, 0x5a, size);
  arena_rollback();
  uint8_t *again = arena_alloc(size);
  CHECK(again == secret);
  for (size_t byte = 0; byte < size; byte++)
    CHECK(again[byte] == 0);
  arena_free(again);
}

int main(int argc, char **argv) {
  state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  CHECK(arena_create(LIMIT));
  CHECK(arena_snapshot_twin(&state) == NULL);
  size_t used = arena_stats().used;
  test_limits();
  test_random(argc > 2 ? strtoul(argv[2], NULL, 10) : 200000);
  test_all_freed(used);
  test_forgets(1000);
  test_forgets(1000000);
  printf("ok arena: seed %s\n", argc > 1 ? argv[1] : "1");
  return 0;
}
