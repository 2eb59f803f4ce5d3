#!lua flags=no-writes
-- stream_look: how many events stand in the stream, and from when to when.
-- KEYS events about
-- Returns {length, trimmed, oldest_ago_ms, newest_ago_ms}; -1 where there is none.
local events, about = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function ago(entries)
  return entries[1] and math.max(0, now - string.match(entries[1][1], '^%d+')) or -1
end
return {redis.call('XLEN', events), redis.call('HGET', about, 'trimmed') or 0,
  ago(redis.call('XRANGE', events, '-', '+', 'COUNT', 1)), ago(redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1))}
