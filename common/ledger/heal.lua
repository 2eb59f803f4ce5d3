#!lua flags=allow-oom
-- heal: what is owed, the group's pending list and the due times agree again.
-- KEYS events places due owed count   ARGV service lease_ms due_most_ms
-- Returns {group made, put back, made due, dropped}.
local events, places, due, owed, count = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local service, lease_ms, due_most_ms = ARGV[1], ARGV[2], ARGV[3]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function after(ms) return string.format('%.0f', now + ms) end

local place = redis.call('HGET', places, service)
if not place then return redis.error_reply('NOPLACE no place is noted for ' .. service .. ': open comes first') end
local made = redis.pcall('XGROUP', 'CREATE', events, service, place, 'MKSTREAM')
made = made.err and 0 or 1

local function before_place(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local place_ms, place_seq = string.match(place, '(%d+)-(%d+)')
  ms, place_ms = tonumber(ms), tonumber(place_ms)
  return ms < place_ms or (ms == place_ms and tonumber(seq) <= tonumber(place_seq))
end

-- Nobody puts anything off for so long: Redis' clock was set back. Who has it in hand gets a lease's time.
local far = redis.call('ZRANGE', due, '(' .. after(due_most_ms), '+inf', 'BYSCORE')
for _, id in ipairs(far) do redis.call('ZADD', due, after(lease_ms), id) end

local pending_count = redis.call('XPENDING', events, service)[1]
if made == 0 and pending_count == redis.call('HLEN', owed) and pending_count == redis.call('ZCARD', due) then
  return {0, 0, #far, 0}
end

local put_back, made_due, dropped = 0, #far, 0

local pending = {}
for _, entry in ipairs(redis.call('XPENDING', events, service, '-', '+', math.max(1, pending_count))) do
  pending[entry[1]] = true
  -- What lies above the place was read by somebody else's hand; it will be read again as new.
  if before_place(entry[1]) and redis.call('HSETNX', owed, entry[1], '- 0 0 0 -') == 1 then put_back = put_back + 1 end
end

-- Every script that settles an event takes its due time away: what has one is owed, though all else is lost.
for _, id in ipairs(redis.call('ZRANGE', due, 0, -1)) do
  if before_place(id) and redis.call('HSETNX', owed, id, '- 0 0 0 -') == 1 then put_back = put_back + 1 end
end

for _, id in ipairs(redis.call('HKEYS', owed)) do
  -- Tells whether the entry stands, and makes it pending where it was not: XRANGE would read all of its body.
  local stands = #redis.call('XCLAIM', events, service, 'forward', 0, id, 'FORCE', 'JUSTID') == 1
  if not stands then
    redis.call('HDEL', owed, id)
    redis.call('ZREM', due, id)
    redis.call('XACK', events, service, id)
    redis.call('HINCRBY', count, 'dropped', 1)
    dropped = dropped + 1
  else
    put_back = put_back + (pending[id] and 0 or 1)
    made_due = made_due + redis.call('ZADD', due, 'NX', after(0), id)
  end
end

for _, id in ipairs(redis.call('ZRANGE', due, 0, -1)) do
  if redis.call('HEXISTS', owed, id) == 0 then redis.call('ZREM', due, id) end
end
return {made, put_back, made_due, dropped}
