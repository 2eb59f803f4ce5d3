#!lua flags=no-writes
-- service_look: how things stand at a service.
-- KEYS events places owed service dead due   ARGV service
-- Returns {place, owed, unread | -1, dead letters, paused, held_for_ms, breaker open, failed probes,
-- due_in_ms | -1, owner, owner_for_ms}.
local events, places, owed, about_service, dead, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local service = ARGV[1]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local state = {}
local flat = redis.call('HGETALL', about_service)
for i = 1, #flat, 2 do state[flat[i]] = flat[i + 1] end

-- include group.lua

local group = group_of(service) or {}
local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
local function left(time) return math.max(0, (tonumber(time) or 0) - now) end
return {redis.call('HGET', places, service) or '', redis.call('HLEN', owed), group.lag or -1, redis.call('XLEN', dead),
  state.paused and 1 or 0, left(state.held_until), state.breaker == 'open' and 1 or 0, state.probes or 0,
  next_due and left(next_due) or -1, state.owner or '', left(state.owner_until)}
