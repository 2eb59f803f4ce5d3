#!lua flags=allow-oom
-- heal: what is owed, the group's pending list and the due times agree again. A call walks a page of one of them.
-- KEYS events places due owed count   ARGV service lease_ms due_most_ms step cursor; `step` is "far" at first
-- Returns {group made, put back, made due, dropped, step, cursor, unread}: call again with these two, until step
-- is ""; unread -1 is unknown.
local events, places, due, owed, count = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local service, lease_ms, due_most_ms, step, cursor = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local PAGE = 500 -- so that Redis is not held up; a scan may bring a few more

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function after(ms) return string.format('%.0f', now + ms) end

-- include is_after.lua

local place = redis.call('HGET', places, service)
if not place then return redis.error_reply('NOPLACE no place is noted for ' .. service .. ': open comes first') end
local made = redis.pcall('XGROUP', 'CREATE', events, service, place, 'MKSTREAM')
made = made.err and 0 or 1
local put_back, made_due, dropped = 0, 0, 0

local function is_pending(id)
  return #redis.call('XPENDING', events, service, id, id, 1) == 1
end

-- What lies above the place was read by somebody else's hand; it will be read again as new.
local function owe(id)
  return is_after(id, place) and 0 or redis.call('HSETNX', owed, id, '- 0 0 0 -')
end

local steps = {}

-- Nobody puts anything off for so long: Redis' clock was set back. Who has it in hand gets a lease's time.
function steps.far()
  local far = redis.call('ZRANGE', due, '(' .. after(due_most_ms), '+inf', 'BYSCORE', 'LIMIT', 0, PAGE)
  for _, id in ipairs(far) do redis.call('ZADD', due, after(lease_ms), id) end
  made_due = #far
  if #far == PAGE then return 'far', '' end
  local pending_count = redis.call('XPENDING', events, service)[1]
  local agree = pending_count == redis.call('HLEN', owed) and pending_count == redis.call('ZCARD', due)
  return agree and '' or 'pending', '-'
end

function steps.pending()
  local page = redis.call('XPENDING', events, service, cursor, '+', PAGE)
  for _, entry in ipairs(page) do put_back = put_back + owe(entry[1]) end
  if #page == PAGE then return 'pending', '(' .. page[PAGE][1] end
  return 'due', '0'
end

-- Every script that settles an event takes its due time away: what has one is owed, though all else is lost.
function steps.due()
  local scanned = redis.call('ZSCAN', due, cursor, 'COUNT', PAGE)
  for i = 1, #scanned[2], 2 do
    local id = scanned[2][i]
    owe(id) -- the next step puts it back, and counts it
    if redis.call('HEXISTS', owed, id) == 0 then redis.call('ZREM', due, id) end
  end
  return scanned[1] == '0' and 'owed' or 'due', scanned[1]
end

local function drop(id)
  redis.call('HDEL', owed, id)
  redis.call('ZREM', due, id)
  redis.call('XACK', events, service, id)
  redis.call('HINCRBY', count, 'dropped', 1)
  dropped = dropped + 1
end

function steps.owed()
  local scanned = redis.call('HSCAN', owed, cursor, 'COUNT', PAGE)
  for i = 1, #scanned[2], 2 do
    local id = scanned[2][i]
    local was_pending = is_pending(id)
    -- Tells whether the entry stands, and makes it pending where it was not: XRANGE would read all of its body.
    if #redis.call('XCLAIM', events, service, 'forward', 0, id, 'FORCE', 'JUSTID') == 1 then
      put_back = put_back + (was_pending and 0 or 1)
      made_due = made_due + redis.call('ZADD', due, 'NX', after(0), id)
    else
      drop(id)
    end
  end
  return scanned[1] == '0' and '' or 'owed', scanned[1]
end

local next_step, next_cursor = steps[step]()

-- include group.lua

local group = group_of(service) or {}
return {made, put_back, made_due, dropped, next_step, next_cursor, group.lag or -1}
