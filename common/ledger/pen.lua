#!lua
-- pen: keeps an authentic delivery that cannot be read as an event.
-- KEYS pen endpoint   ARGV endpoint received reason signature body
local at = redis.call('XADD', KEYS[1], '*', 'endpoint', ARGV[1], 'received', ARGV[2], 'reason', ARGV[3],
  'signature', ARGV[4], 'body', ARGV[5])
redis.call('HINCRBY', KEYS[2], 'penned', 1)
return {'stored', at}
