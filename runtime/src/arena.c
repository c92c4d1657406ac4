/*
 * A segregated-fit allocator with boundary tags. All of its state lies in the arena itself, so that copying
 * the used range back restores heap and allocator together.
 *
 * A block starts with its header; the payload runs up to and including the `previous` word of the next block,
 * which is meaningful only while this block is free. A free block never borders the top: it becomes part of it.
 * Under AddressSanitizer free memory is hidden, so that a use after free is found here too (until a snapshot is taken).
 */
#include "arena.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define HIDE(from, to) ASAN_POISON_MEMORY_REGION(from, (size_t)((char *)(to) - (char *)(from)))
#define SHOW(from, to) ASAN_UNPOISON_MEMORY_REGION(from, (size_t)((char *)(to) - (char *)(from)))
#else
#define HIDE(from, to) ((void)0)
#define SHOW(from, to) ((void)0)
#endif

#define ALIGNMENT 16ul
#define HEADER 16ul          /* offset of the payload */
#define OVERHEAD 8ul         /* of the header, what the previous block cannot use */
#define STRIDE_MIN 32ul
#define LINEAR_LIMIT 1024ul  /* below it one bin per stride, above it 8 bins per power of two */
#define BINS 256u
#define FREE 1ul
#define PREVIOUS_FREE 2ul
#define FLAGS (FREE | PREVIOUS_FREE)
#define TOUCHED (512ul << 10) /* what a service comes to need: taken from the kernel at once, not by a page fault each */
#define DISCARD_MIN (4ul << 20) /* longer stretches are given back to the kernel instead of zeroed */

struct block {
  struct block *previous;
  size_t stride_flags;
  struct block *next_free, *previous_free; /* only while free */
};

struct arena {
  struct block *top;
  size_t used;
  uint64_t occupied[BINS / 64];
  struct block *bins[BINS];
};

static struct arena *arena;
static char *end;
static char *high; /* nothing above it was touched since the arena was made or rolled back */
static char *snapshot;
static size_t snapshot_length;
static unsigned long refusals;

/*
 * Only pages that somebody has ever written to since the snapshot are copied back. The others are write-protected; the first write to one faults
 * and opens it for good. So what is not copied is what nobody can have changed. No system call may write into the arena: it would fail there.
 */
#define PAGE 4096ul
static size_t guarded; /* pages from the arena's start */
static uint64_t opened[ARENA_LIMIT_MAX / PAGE / 64];

static void must(bool condition) {
  if (!condition)
    abort(); /* a damaged heap: the supervisor starts the service afresh */
}

static size_t stride_of(const struct block *b) { return b->stride_flags & ~FLAGS; }

static struct block *at(const struct block *b, size_t offset) { return (struct block *)((char *)b + offset); }

static struct block *block_of(const void *address) { return (struct block *)((char *)address - HEADER); }

static void *payload_of(struct block *b) { return (char *)b + HEADER; }

static size_t stride_for(size_t size) {
  size_t stride = (size + OVERHEAD + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
  return stride < STRIDE_MIN ? STRIDE_MIN : stride;
}

static unsigned bin_of(size_t stride) {
  if (stride < LINEAR_LIMIT)
    return (unsigned)(stride / ALIGNMENT);
  unsigned log = 63 - (unsigned)__builtin_clzl(stride);
  return 64 + (log - 10) * 8 + ((unsigned)(stride >> (log - 3)) & 7);
}

static void bin_insert(struct block *b) {
  unsigned bin = bin_of(stride_of(b));
  b->previous_free = NULL;
  b->next_free = arena->bins[bin];
  if (b->next_free)
    b->next_free->previous_free = b;
  arena->bins[bin] = b;
  arena->occupied[bin / 64] |= 1ull << (bin % 64);
}

static void bin_remove(struct block *b) {
  unsigned bin = bin_of(stride_of(b));
  must((b->previous_free ? b->previous_free->next_free : arena->bins[bin]) == b);
  must(!b->next_free || b->next_free->previous_free == b);
  if (b->next_free)
    b->next_free->previous_free = b->previous_free;
  if (b->previous_free)
    b->previous_free->next_free = b->next_free;
  else
    arena->bins[bin] = b->next_free;
  if (!arena->bins[bin])
    arena->occupied[bin / 64] &= ~(1ull << (bin % 64));
}

/* The first free block that is surely long enough: any block of the bin above the one `stride` falls into. */
static struct block *bin_find(size_t stride) {
  unsigned bin = bin_of(stride);
  if (stride >= LINEAR_LIMIT) {
    size_t step = 1ul << (63 - __builtin_clzl(stride) - 3);
    bin = bin_of(stride + step - 1);
  }
  for (unsigned word = bin / 64; word < BINS / 64; word++) {
    uint64_t candidates = arena->occupied[word];
    if (word == bin / 64)
      candidates &= ~0ull << (bin % 64);
    if (candidates)
      return arena->bins[word * 64 + (unsigned)__builtin_ctzll(candidates)];
  }
  return NULL;
}

static bool top_extend(size_t stride) {
  if (stride + HEADER > (size_t)(end - (char *)arena->top)) {
    refusals++;
    return false;
  }
  SHOW(arena->top, (char *)arena->top + stride + HEADER);
  arena->top = at(arena->top, stride);
  if ((char *)arena->top + HEADER > high)
    high = (char *)arena->top + HEADER;
  return true;
}

/* Turns [b, b + stride) into a free block or a part of the top; so far it is in no bin. */
static void release(struct block *b, size_t stride, bool previous_free) {
  struct block *next = at(b, stride);
  if (previous_free) {
    struct block *previous = b->previous;
    bin_remove(previous);
    stride += stride_of(previous);
    b = previous;
  }
  if (next == arena->top) {
    HIDE((char *)b + HEADER, next);
    arena->top = b;
    return;
  }
  if (next->stride_flags & FREE) {
    bin_remove(next);
    stride += stride_of(next);
    next = at(b, stride);
  }
  b->stride_flags = stride | FREE;
  next->previous = b;
  next->stride_flags |= PREVIOUS_FREE;
  bin_insert(b);
  HIDE(b + 1, next);
}

/* Gives back what a block has beyond `stride`. */
static void trim(struct block *b, size_t stride) {
  size_t excess = stride_of(b) - stride;
  if (excess < STRIDE_MIN)
    return;
  b->stride_flags -= excess;
  arena->used -= excess;
  struct block *next = at(b, stride + excess);
  if (next != arena->top)
    next->stride_flags &= ~PREVIOUS_FREE;
  release(at(b, stride), excess, false);
}

void *arena_alloc(size_t size) {
  if (size > (size_t)(end - (char *)arena)) {
    refusals++;
    return NULL;
  }
  size_t stride = stride_for(size);
  struct block *b = bin_find(stride);
  if (b) {
    bin_remove(b);
    SHOW(b, at(b, stride_of(b)));
    b->stride_flags &= ~FREE;
    at(b, stride_of(b))->stride_flags &= ~PREVIOUS_FREE;
  } else {
    b = arena->top;
    if (!top_extend(stride))
      return NULL;
    b->stride_flags = stride;
  }
  arena->used += stride_of(b);
  trim(b, stride);
  return payload_of(b);
}

void arena_free(void *address) {
  if (!address)
    return;
  struct block *b = block_of(address);
  must(!(b->stride_flags & FREE) && (char *)b < (char *)arena->top);
  arena->used -= stride_of(b);
  release(b, stride_of(b), b->stride_flags & PREVIOUS_FREE);
}

/* Lengthens a block into the free block or the top behind it. */
static bool grow_in_place(struct block *b, size_t stride) {
  size_t old = stride_of(b);
  struct block *next = at(b, old);
  size_t gain;
  if (next == arena->top) {
    gain = stride - old;
    if (!top_extend(gain))
      return false;
  } else if ((next->stride_flags & FREE) && old + stride_of(next) >= stride) {
    gain = stride_of(next);
    bin_remove(next);
    SHOW(next, at(next, gain));
    at(next, gain)->stride_flags &= ~PREVIOUS_FREE;
  } else {
    return false;
  }
  b->stride_flags += gain;
  arena->used += gain;
  return true;
}

void *arena_realloc(void *address, size_t size) {
  if (!address)
    return arena_alloc(size);
  if (size > (size_t)(end - (char *)arena)) {
    refusals++;
    return NULL;
  }
  struct block *b = block_of(address);
  size_t stride = stride_for(size);
  if (stride <= stride_of(b) || grow_in_place(b, stride)) {
    trim(b, stride);
    return address;
  }
  void *moved = arena_alloc(size);
  if (!moved)
    return NULL;
  memcpy(moved, address, arena_usable(address));
  arena_free(address);
  return moved;
}

size_t arena_usable(const void *address) { return stride_of(block_of(address)) - OVERHEAD; }

bool arena_create(size_t limit) {
  void *base = mmap(NULL, limit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return false;
  madvise(base, limit < TOUCHED ? limit : TOUCHED, MADV_POPULATE_WRITE); /* an older kernel cannot: then by page faults */
  arena = base;
  end = (char *)base + limit;
  arena->top = at(base, (sizeof *arena + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
  high = (char *)arena->top + HEADER;
  return true;
}

static size_t extent(void) { return (size_t)((char *)arena->top + HEADER - (char *)arena); }

static bool is_open(size_t page) { return opened[page / 64] >> (page % 64) & 1; }

static struct sigaction others; /* whoever else wants to hear of faults */

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  size_t page = ((uintptr_t)info->si_addr - (uintptr_t)arena) / PAGE;
  if (page < guarded && !is_open(page) && mprotect((char *)arena + page * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0)
    opened[page / 64] |= 1ull << (page % 64);
  else
    sigaction(number, &others, NULL); /* not ours: it comes again, to them */
}

static void unguard(void) {
  must(mprotect(arena, guarded * PAGE, PROT_READ | PROT_WRITE) == 0);
  memset(opened, 0, (guarded + 63) / 64 * sizeof *opened);
  guarded = 0;
}

static void guard(size_t pages) {
  static bool listening;
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  if (!listening)
    listening = sigaction(SIGSEGV, &action, &others) == 0;
  if (listening && mprotect(arena, pages * PAGE, PROT_READ) == 0)
    guarded = pages; /* without, all is copied */
}

bool arena_snapshot(void) {
  size_t length = extent();
  SHOW(arena, high);
  void *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED)
    return false;
  memcpy(copy, arena, length);
  if (snapshot)
    munmap(snapshot, snapshot_length);
  snapshot = copy;
  snapshot_length = length;
  unguard();
  guard(length / PAGE);
  return true;
}

static void forget(char *from, char *to) {
  char *page = (char *)(((uintptr_t)from + 4095) & ~4095ul);
  if (to > page && (size_t)(to - page) >= DISCARD_MIN && madvise(page, (size_t)(to - page), MADV_DONTNEED) == 0)
    to = page;
  memset(from, 0, (size_t)(to - from));
}

static void copy_back(size_t from, size_t to) {
  memcpy((char *)arena + from, snapshot + from, to - from);
}

void arena_rollback(void) {
  must(snapshot != NULL);
  char *restored_end = (char *)arena + snapshot_length;
  SHOW(arena, high);
  for (size_t page = 0, after; page < guarded; page = after + 1) {
    for (after = page; after < guarded && is_open(after);)
      after++;
    copy_back(page * PAGE, after * PAGE);
  }
  copy_back(guarded * PAGE, snapshot_length);
  if (high > restored_end)
    forget(restored_end, high);
  high = restored_end;
}

void *arena_snapshot_twin(const void *address) {
  size_t offset = (size_t)((const char *)address - (const char *)arena);
  return snapshot && offset < snapshot_length ? snapshot + offset : NULL;
}

struct arena_stats arena_stats(void) {
  return (struct arena_stats){arena->used, (size_t)(end - (char *)arena), snapshot_length};
}

unsigned long arena_refusals(void) { return refusals; }

void arena_check(void) {
  size_t used = 0, free_blocks = 0, binned = 0;
  bool previous_free = false;
  struct block *b = at((struct block *)arena, (sizeof *arena + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
  for (; b < arena->top; b = at(b, stride_of(b))) {
    must(stride_of(b) >= STRIDE_MIN && stride_of(b) % ALIGNMENT == 0);
    must(previous_free == !!(b->stride_flags & PREVIOUS_FREE));
    must(!previous_free || at(b->previous, stride_of(b->previous)) == b);
    bool is_free = b->stride_flags & FREE;
    must(!(is_free && previous_free));
    if (is_free)
      free_blocks++;
    else
      used += stride_of(b);
    previous_free = is_free;
  }
  must(b == arena->top && !previous_free && used == arena->used);
  for (unsigned bin = 0; bin < BINS; bin++) {
    must(!!arena->bins[bin] == !!(arena->occupied[bin / 64] >> (bin % 64) & 1));
    for (b = arena->bins[bin]; b; b = b->next_free, binned++)
      must((b->stride_flags & FREE) && bin_of(stride_of(b)) == bin);
  }
  must(binned == free_blocks);
}
