#!lua flags=allow-oom
-- take: hands out what is due and what is new, each with a lease.
-- KEYS events places due owed count service
-- ARGV service slots lease_ms most_bytes lease endpoint_count endpoints... patterns...
-- A pattern is a Lua pattern, with "!" in front where it excludes.
-- Returns {now, next_due_in_ms | -1, more, place, filtered, dropped, owed, entries, held_for_ms},
-- an entry being {stream id, attempts, first_ms, fields}; or {} when the group is gone.
local events, places, due, owed, count, about_service = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local service, slots, lease_ms, most_bytes, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local MOST_READ = 500 -- new entries a call, so that a long run of unwanted ones does not hold Redis up

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local endpoints, patterns = {}, {}
for i = 7, 6 + ARGV[6] do endpoints[ARGV[i]] = true end
for i = 7 + ARGV[6], #ARGV do patterns[#patterns + 1] = ARGV[i] end

local function group_position()
  local groups = redis.pcall('XINFO', 'GROUPS', events)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    local position, name
    for i = 1, #group, 2 do
      if group[i] == 'name' then name = group[i + 1] end
      if group[i] == 'last-delivered-id' then position = group[i + 1] end
    end
    if name == service then return position end
  end
end

local place = redis.call('HGET', places, service)
local position = group_position()
if not place or not position then return {} end
-- Every owed event has a due time and the other way round: where one of the two keys was lost, heal first.
if redis.call('HLEN', owed) ~= redis.call('ZCARD', due) then return {} end
-- The noted place is the truth: a group set forward by hand would lose events, one set back repeat them.
if position ~= place then redis.call('XGROUP', 'SETID', events, service, place) end

local held_for = math.max(0, (redis.call('HGET', about_service, 'held_until') or 0) - now)
-- Nobody may ask for more than an hour: beyond that it is a clock that was set back.
if held_for > 3600000 then held_for = 0 end
if held_for > 0 then return {now, -1, 0, place, 0, 0, redis.call('HLEN', owed), {}, held_for} end

local taken, bytes, filtered, dropped, more = {}, 0, 0, 0, 0

local function give(entry, attempts, first, last, outcome)
  redis.call('HSET', owed, entry[1], table.concat({lease, attempts, first, last, outcome}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now + lease_ms), entry[1])
  taken[#taken + 1] = {entry[1], attempts, first, entry[2]}
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
end

local function forget(id)
  redis.call('HDEL', owed, id)
  redis.call('ZREM', due, id)
  return redis.call('XACK', events, service, id)
end

local function claim(id)
  local state = redis.call('HGET', owed, id)
  if not state and #redis.call('XPENDING', events, service, id, id, 1) == 0 then
    redis.call('ZREM', due, id) -- settled long ago: nobody is owed it
    return
  end
  local entry = redis.call('XRANGE', events, id, id)[1]
  if not entry then
    forget(id)
    redis.call('HINCRBY', count, 'dropped', 1)
    dropped = dropped + 1
    return
  end
  local attempts, first, last, outcome = string.match(state or '', '^%S+ (%d+) (%d+) (%d+) (.*)$')
  give(entry, attempts or '0', first or '0', last or '0', outcome or '-')
end

local function field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function wanted(fields)
  if next(endpoints) and not endpoints[field(fields, 'endpoint')] then return false end
  local kind = field(fields, 'type') or ''
  local included, only_excludes = false, true
  for _, pattern in ipairs(patterns) do
    if string.sub(pattern, 1, 1) == '!' then
      if string.find(kind, string.sub(pattern, 2)) then return false end
    else
      only_excludes = false
      included = included or string.find(kind, pattern) ~= nil
    end
  end
  return included or only_excludes
end

local function claim_due()
  local most = slots - #taken
  if most < 1 then return end
  local ids = redis.call('ZRANGE', due, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, most)
  for i, id in ipairs(ids) do
    if bytes >= most_bytes then break end
    claim(id)
    if i == most then more = 1 end
  end
end

local read, given = 0, 0
local function read_new()
  while #taken < slots and bytes < most_bytes and read < MOST_READ do
    local reply = redis.call('XREADGROUP', 'GROUP', service, 'forward', 'COUNT', 1, 'STREAMS', events, '>')
    if not reply then break end
    local entry = reply[1][2][1]
    local to = field(entry[2], 'to')
    read = read + 1
    place = entry[1]
    if to and to ~= service then
      redis.call('XACK', events, service, entry[1])
    elseif to or wanted(entry[2]) then
      given = given + 1
      give(entry, '0', '0', '0', '-')
    else
      given, filtered = given + 1, filtered + 1
      redis.call('XACK', events, service, entry[1])
    end
  end
end

-- By lot: what fails for hours must not keep what is new from its first attempt, nor the other way round.
if string.find(lease, '^[0-7]') then
  claim_due()
  read_new()
else
  read_new()
  claim_due()
end
if #taken >= slots or bytes >= most_bytes or read >= MOST_READ then more = 1 end

if read > 0 then redis.call('HSET', places, service, place) end
if given > 0 then redis.call('HINCRBY', count, 'given', given) end
if filtered > 0 then redis.call('HINCRBY', count, 'filtered', filtered) end

local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local next_due_in = next_due[2] and math.max(0, next_due[2] - now) or -1
return {now, next_due_in, more, place, filtered, dropped, redis.call('HLEN', owed), taken, 0}
