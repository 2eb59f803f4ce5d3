#!lua flags=no-writes
-- page: entries of a stream after an id, or before it, one at a time and up to a mebibyte: a page of
-- large bodies would fill Redis' memory, and that of whoever asks.
-- KEYS stream   ARGV from most direction ("after" | "before")
-- Returns {more, entries}, the nearest first.
local from, most, before = ARGV[1], tonumber(ARGV[2]), ARGV[3] == 'before'
local MOST_BYTES = 1024 * 1024

local function nearest()
  if before then return redis.call('XREVRANGE', KEYS[1], '(' .. from, '-', 'COUNT', 1)[1] end
  return redis.call('XRANGE', KEYS[1], '(' .. from, '+', 'COUNT', 1)[1]
end

local entries, bytes = {}, 0
while #entries < most and bytes < MOST_BYTES do
  local entry = nearest()
  if not entry then return {0, entries} end
  from = entry[1]
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  entries[#entries + 1] = entry
end
return {1, entries}
