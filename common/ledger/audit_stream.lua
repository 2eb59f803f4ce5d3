#!lua flags=no-writes
-- audit_stream: what was put into the stream, and what stands in it.
-- KEYS events about endpoints...
-- Returns {appended, revived, added, length, newest id that was taken out, trimmed}.
local appended = 0
for i = 3, #KEYS do appended = appended + (redis.call('HGET', KEYS[i], 'appended') or 0) end
local revived = redis.call('HGET', KEYS[2], 'revived') or 0
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then return {appended, revived, 0, 0, '0-0', 0} end
local fields = {}
for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
return {appended, revived, fields['entries-added'], fields.length, fields['max-deleted-entry-id'],
  redis.call('HGET', KEYS[2], 'trimmed') or 0}
