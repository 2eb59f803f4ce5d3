#!lua flags=allow-oom
-- trim: the oldest entries leave the stream, those that are past their time, or too many, and owed to nobody.
-- Dead letters leave theirs by age.
-- KEYS events about places, then for each service of ours: owed due count service dead
-- ARGV keep_ms most_events foreign_ms dead_ms page, then the services' names
-- Returns {removed, length, more, held_by, held_for_ms, dead letters removed, passed over...}: held_by is the
-- group that keeps what is past its time; passed over are groups that are not ours and lose what they had not read.
local events, about, places = KEYS[1], KEYS[2], KEYS[3]
local keep_ms, most_events, foreign_ms = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local dead_ms, page, NAMES, KEYS_EACH = tonumber(ARGV[4]), tonumber(ARGV[5]), 6, 5
local MOST_BYTES = 1024 * 1024 -- one at a time and up to a mebibyte: bodies go through Redis' memory here

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- include is_after.lua

-- One of tomorrow is young and no younger: its clock was set back, and a full Redis keeps nothing.
local function age_of(id)
  return math.max(0, now - string.match(id, '%d+'))
end

local function fields_of(flat)
  local fields = {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

local function oldest_pending(group)
  local pending = redis.pcall('XPENDING', events, group)
  return not pending.err and pending[1] > 0 and pending[2] or nil
end

local length = redis.call('XLEN', events)

-- Ours, by what is noted of them and not by their groups, which anybody can delete or set.
local ours, services, dead_removed = {}, {}, 0
for i = NAMES, #ARGV do
  local name, at = ARGV[i], 3 + KEYS_EACH * (i - NAMES)
  local place, start = redis.call('HGET', places, name), redis.call('HGET', KEYS[at + 4], 'start')
  -- It began once, and its place is lost: until it is opened again nobody knows what it is owed.
  if start and not place then return {0, length, 0, name, 0, 0} end
  if place then
    ours[name] = true
    services[#services + 1] = {
      name = name, place = place, start = start or '0-0', oldest = oldest_pending(name), count = KEYS[at + 3],
      owed = redis.call('HLEN', KEYS[at + 1]) > 0 and KEYS[at + 1], due = redis.call('ZCARD', KEYS[at + 2]) > 0 and KEYS[at + 2]}
  end
  dead_removed = dead_removed + redis.call('XTRIM', KEYS[at + 5], 'MINID', string.format('%.0f', math.max(0, now - dead_ms)))
end
for _, name in ipairs(redis.call('HKEYS', places)) do
  if not ours[name] then return {0, length, 1, '', 0, dead_removed} end -- it came since the names were asked for
end
-- Whoever comes first gets what was accepted while nobody was there.
if #services == 0 then return {0, length, 0, '', 0, dead_removed} end

local foreign = {}
local groups = redis.pcall('XINFO', 'GROUPS', events)
for _, flat in ipairs(groups.err and {} or groups) do
  local group = fields_of(flat)
  if not ours[group.name] then
    foreign[#foreign + 1] = {name = group.name, place = group['last-delivered-id'], oldest = oldest_pending(group.name)}
  end
end

-- Unread by it, or pending.
local function lies_before(group, id)
  return is_after(id, group.place) or (group.oldest and not is_after(group.oldest, id))
end

local function holder_of(id)
  for _, one in ipairs(services) do
    if lies_before(one, id) then return one.name end
    -- Where a group was lost, these two still know.
    if one.owed and redis.call('HEXISTS', one.owed, id) == 1 then return one.name end
    if one.due and redis.call('ZSCORE', one.due, id) then return one.name end
  end
  for _, group in ipairs(foreign) do
    if age_of(id) < foreign_ms and lies_before(group, id) then return group.name end
  end
end

local passed, given, removed, bytes = {}, {}, 0, 0
local last, held_by, held_for, more = nil, '', 0, 1
while removed < page and bytes < MOST_BYTES do
  local entry = redis.call('XRANGE', events, last and '(' .. last or '-', '+', 'COUNT', 1)[1]
  local id = entry and entry[1]
  if not entry or (age_of(id) < keep_ms and removed >= length - most_events) then
    more = 0
    break
  end
  local holder = holder_of(id)
  if holder then
    held_by, held_for, more = holder, age_of(id), 0
    break
  end
  for _, group in ipairs(foreign) do
    if lies_before(group, id) then passed[group.name] = true end
  end
  local to = fields_of(entry[2]).to
  for _, one in ipairs(services) do
    if is_after(id, one.start) and (not to or to == one.name) then given[one.count] = (given[one.count] or 0) + 1 end
  end
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  last, removed = id, removed + 1
end

if last then
  local ms, seq = string.match(last, '(%d+)-(%d+)')
  redis.call('XTRIM', events, 'MINID', string.format('%s-%.0f', ms, seq + 1))
  -- By these the audit still balances, and a spool does not take what was trimmed for lost.
  redis.call('HSET', about, 'trimmed_to', last)
  redis.call('HINCRBY', about, 'trimmed', removed)
  for count, number in pairs(given) do redis.call('HINCRBY', count, 'trimmed', number) end
end

local result = {removed, length - removed, more, held_by, held_for, dead_removed}
for name in pairs(passed) do result[#result + 1] = name end
return result
