#ifndef HEAP_H
#define HEAP_H

#include <quickjs.h>

JSRuntime *heap_new_runtime(void);

#endif
