#!lua flags=allow-oom
-- service_set: pauses a service, or lifts whatever holds it back: a pause, a hold it asked for, its breaker.
-- KEYS places service   ARGV service "pause" | "resume"
-- Returns 1, or 0 where the ledger knows no such service.
local places, about_service = KEYS[1], KEYS[2]
if redis.call('HEXISTS', places, ARGV[1]) == 0 then return 0 end
if ARGV[2] == 'pause' then
  redis.call('HSET', about_service, 'paused', 1)
else
  redis.call('HDEL', about_service, 'paused', 'held_until', 'breaker', 'opened', 'probe_at', 'probes', 'probed')
end
return 1
