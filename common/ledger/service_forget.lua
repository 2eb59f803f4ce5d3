#!lua flags=allow-oom
-- service_forget: a service's group and its keys are gone, and with them what it was owed.
-- KEYS events places owed due count service dead after_dead   ARGV service
local events, places = KEYS[1], KEYS[2]
-- First what its user may lack the right to: refused later, half of it would be gone.
local known = redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8])
redis.pcall('XGROUP', 'DESTROY', events, ARGV[1])
return known + redis.call('HDEL', places, ARGV[1])
