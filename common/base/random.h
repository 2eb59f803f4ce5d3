/* Random bits from the kernel: for leases, trace ids, jitter. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint64_t random_bits(void);
/* `digits` lower-case hex digits, at most 64, and a NUL. */
void random_hex(char *hex, size_t digits);
