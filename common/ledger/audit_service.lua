#!lua flags=no-writes
-- audit_service: one service's counts, all of one moment.
-- KEYS events places owed count service due   ARGV service
-- Returns {given, filtered, done, dead, dropped, owed, pending, due, place, start, position, unread,
-- trimmed};
-- position "" is no group, unread -1 is unknown.
local events, places, owed, count, about_service, due = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local service = ARGV[1]

-- include group.lua

local result = {}
for _, name in ipairs({'given', 'filtered', 'done', 'dead', 'dropped'}) do
  result[#result + 1] = redis.call('HGET', count, name) or 0
end
result[6] = redis.call('HLEN', owed)
local pending = redis.pcall('XPENDING', events, service)
result[7] = pending.err and 0 or pending[1]
result[8] = redis.call('ZCARD', due)
result[9] = redis.call('HGET', places, service) or ''
result[10] = redis.call('HGET', about_service, 'start') or '0-0'
local group = group_of(service) or {}
result[11], result[12] = group['last-delivered-id'] or '', group.lag or -1
result[13] = redis.call('HGET', count, 'trimmed') or 0
return result
