#!lua flags=allow-oom
-- spool_look: what the ledger has of a spool, and how old the oldest event is that a service is still owed.
-- KEYS spool events places pen about   ARGV kept_ms
-- Returns {last, owed_ms, {events, bytes}}; owed_ms is for how long, 0 where nothing is owed; the rest is
-- how much the pen holds of what no secret matched.
local spool, events, places, pen, about = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

-- include pen_held.lua

local last = redis.call('GET', spool) or '0'
redis.call('PEXPIRE', spool, ARGV[1])

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local since = now
local function look_at(id)
  since = math.min(since, tonumber(string.match(id, '^%d+')))
end
local noted = redis.call('HGETALL', places)
for i = 1, #noted, 2 do
  local pending = redis.pcall('XPENDING', events, noted[i])
  if not pending.err and pending[1] > 0 then look_at(pending[2]) end
  local unread = redis.call('XRANGE', events, '(' .. noted[i + 1], '+', 'COUNT', 1)[1]
  if unread then look_at(unread[1]) end
end
local held = held_unmatched()
return {last, now - since, {held.events, held.bytes}}
