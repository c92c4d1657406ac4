/* QuickJS's allocator hooks, on the arena. */
#include "engine.h"
#include "arena.h"

static void *heap_malloc(JSMallocState *state, size_t size) {
  void *address = arena_alloc(size);
  if (address) {
    state->malloc_count++;
    state->malloc_size += arena_usable(address);
  }
  return address;
}

static void heap_free(JSMallocState *state, void *address) {
  if (!address)
    return;
  state->malloc_count--;
  state->malloc_size -= arena_usable(address);
  arena_free(address);
}

static void *heap_realloc(JSMallocState *state, void *address, size_t size) {
  if (!address)
    return size ? heap_malloc(state, size) : NULL;
  if (!size) {
    heap_free(state, address);
    return NULL;
  }
  size_t old = arena_usable(address);
  void *moved = arena_realloc(address, size);
  if (moved)
    state->malloc_size += arena_usable(moved) - old;
  return moved;
}

static const JSMallocFunctions functions = {heap_malloc, heap_free, heap_realloc, arena_usable};

JSRuntime *heap_new_runtime(void) { return JS_NewRuntime2(&functions, NULL); }
