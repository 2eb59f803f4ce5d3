#!lua flags=allow-oom
-- endpoint_report: what one run of serve saw of an endpoint, and then how that is doing.
-- KEYS endpoint rhythm   ARGV run accepted accepted_ago_s, then for each of its counts: kind part count ago_s
-- Returns what endpoint_look does. A count is said as it stands, not what it grew by: so said twice is
-- said once, and what Redis forgot it hears again. Only of `accepted`, from which nothing but a rhythm
-- is learned, some may count twice.
-- include endpoint.lua

local endpoint, rhythm = KEYS[1], KEYS[2]
local run, accepted, accepted_ago = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function note_accepted()
  local at = now - accepted_ago
  local hour = math.floor(at / HOUR_S)
  local count, of = string.match(redis.call('HGET', rhythm, hour % WEEK_H) or '', '^(%d+)@(%d+)$')
  if tonumber(of) == hour then accepted = accepted + tonumber(count) end
  redis.call('HSET', rhythm, hour % WEEK_H, string.format('%d@%d', accepted, hour))
  local last = tonumber(redis.call('HGET', rhythm, 'last')) or 0
  if at > last or last > now then redis.call('HSET', rhythm, 'last', at) end
end

-- Its time is that of the first word about it, for two clocks never agree twice.
local function note_count(kind, part, count, ago)
  local field = kind .. ':' .. run .. ':' .. part
  local at = string.match(redis.call('HGET', endpoint, field) or '', '@(%d+)$') or now - tonumber(ago)
  redis.call('HSET', endpoint, field, count .. '@' .. at)
end

if accepted > 0 then note_accepted() end
for i = 4, #ARGV, 4 do note_count(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
local told, old = tell(endpoint, rhythm)
for _, field in ipairs(old) do redis.call('HDEL', endpoint, field) end
return told
