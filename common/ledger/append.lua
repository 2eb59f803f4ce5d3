#!lua
-- append: an event stands in the stream and its id is remembered, or it was seen before.
-- KEYS seen events endpoint
-- ARGV window_ms id type endpoint account created received trace body
local seen, events, endpoint = KEYS[1], KEYS[2], KEYS[3]

local at = redis.call('GET', seen)
if at then
  -- Of the tries' signatures one may stay fresh for longer: the mark outlives them all.
  redis.call('PEXPIRE', seen, ARGV[1], 'GT')
  redis.call('HINCRBY', endpoint, 'duplicate', 1)
  return {'duplicate', at}
end
at = redis.call('XADD', events, '*', 'id', ARGV[2], 'type', ARGV[3], 'endpoint', ARGV[4],
  'account', ARGV[5], 'created', ARGV[6], 'received', ARGV[7], 'trace', ARGV[8], 'body', ARGV[9])
-- Only after XADD: scripts are not rolled back, and an id that is remembered without its event would
-- have Kula's next try told "duplicate", and the event would be lost for ever.
redis.call('SET', seen, at, 'PX', ARGV[1])
redis.call('HINCRBY', endpoint, 'appended', 1)
return {'stored', at}
