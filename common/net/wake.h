/* A wake calls a function on the loop because another thread asked for it. */
#pragma once
#include "net/loop.h"

struct wake;

struct wake *wake_create(struct loop *, loop_fn *, void *arg);
/* From any thread. However often it rang before the loop came to it, it is called once. */
void wake_ring(struct wake *);
void wake_destroy(struct wake *); /* when nobody rings any more */
