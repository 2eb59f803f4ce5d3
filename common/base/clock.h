/* The clocks: wall time for people and for Kula's timestamps, steady time for
 * anything that waits here, as timers do, and elapsed time for what ends by the
 * clock of another machine, as a lease in Redis does: that one is not suspended
 * with this one. Of a virtual machine that is paused no guest's clock tells.
 *
 * Pure code takes `now` as a parameter instead. */
#pragma once
#include <stdint.h>

int64_t clock_wall_ms(void);   /* since 1970, UTC; may jump */
int64_t clock_steady_ms(void); /* since some start; never goes back */
int64_t clock_steady_us(void);
int64_t clock_elapsed_ms(void); /* as steady, but it goes on while the machine is suspended */
