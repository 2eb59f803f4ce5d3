#!lua
-- revive: a dead letter goes into the stream again, for its service only, and leaves the dead letters.
-- KEYS dead events about   ARGV service dead_id
local dead, events, about = KEYS[1], KEYS[2], KEYS[3]
local service, dead_id = ARGV[1], ARGV[2]

local letter = redis.call('XRANGE', dead, dead_id, dead_id)[1]
if not letter then return 0 end
local fields, event = {}, {}
for i = 1, #letter[2], 2 do fields[letter[2][i]] = letter[2][i + 1] end
for _, name in ipairs({'id', 'type', 'endpoint', 'account', 'created', 'received', 'trace', 'body'}) do
  event[#event + 1] = name
  event[#event + 1] = fields[name] or ''
end
event[#event + 1] = 'to'
event[#event + 1] = service
event[#event + 1] = 'origin'
event[#event + 1] = fields.origin or ''
redis.call('XADD', events, '*', unpack(event))
-- Only after XADD: if anything fails in between, the letter is still there.
redis.call('XDEL', dead, dead_id)
redis.call('HINCRBY', about, 'revived', 1)
return 1
