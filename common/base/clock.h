/* The two clocks: wall time for people and for Kula's timestamps, steady time
 * for anything that waits. Pure code takes `now` as a parameter instead. */
#pragma once
#include <stdint.h>

int64_t clock_wall_ms(void);   /* since 1970, UTC; may jump */
int64_t clock_steady_ms(void); /* since some start; never goes back */
int64_t clock_steady_us(void);
