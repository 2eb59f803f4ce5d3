#!lua flags=allow-oom
-- open: makes the groups of services that have none yet, all in one go.
-- KEYS about places events, then service:NAME for each   ARGV layout, then name, start for each
-- start is "beginning", "now", how many ms ago, or the id up to which it was served.
local about, places, events = KEYS[1], KEYS[2], KEYS[3]
local layout = ARGV[1]

local known = redis.call('HGET', about, 'layout')
if known and known ~= layout then
  return redis.error_reply('LAYOUT the ledger has layout ' .. known .. ', this program knows ' .. layout)
end
redis.call('HSET', about, 'layout', layout)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Whoever comes to a ledger that never served anybody gets what was accepted while it was set up.
local never_served = redis.call('HSETNX', about, 'served', 1) == 1
-- One that forgot all its services had some; where only this field was lost, the places still say so.
local first_ever = never_served and redis.call('EXISTS', places) == 0

local function last_id()
  local info = redis.pcall('XINFO', 'STREAM', events)
  if info.err then return '0-0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end

-- include is_after.lua

local function starting_place(start)
  if first_ever or start == 'beginning' then return '0-0' end
  local last = last_id()
  if start == 'now' then return last end
  local from = string.find(start, '-') and start or string.format('%.0f-0', now - tonumber(start))
  -- Never beyond the end: what is appended next must lie after it.
  return is_after(from, last) and last or from
end

-- include group.lua

for i = 2, #ARGV, 2 do
  local name, service = ARGV[i], KEYS[3 + i / 2]
  if redis.call('HEXISTS', places, name) == 0 then
    -- One that had started before lost only the note of its place: its group still stands there.
    local began = redis.call('HGET', service, 'start')
    local group = began and group_of(name)
    local place = group and group['last-delivered-id'] or began or starting_place(ARGV[i + 1])
    local made = redis.pcall('XGROUP', 'CREATE', events, name, place, 'MKSTREAM')
    -- Somebody else's group of that name becomes ours, from our start.
    if made.err then redis.call('XGROUP', 'SETID', events, name, place) end
    redis.call('HSET', places, name, place)
    redis.call('HSETNX', service, 'start', place)
  end
end
return redis.status_reply('OK')
