#!lua flags=allow-oom
-- release: the owner of an ordered service gives it up.
-- KEYS service   ARGV owner
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
return redis.call('HDEL', KEYS[1], 'owner', 'owner_until')
