#!lua flags=no-writes
-- search: the ids of entries in which a field has a value, a page at a time.
-- KEYS stream   ARGV field value after page
-- Returns {last id looked at, how many were looked at, ids}.
local field, value, after, page = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found = {}
-- One at a time and up to a mebibyte: a page of large bodies would fill Redis' memory, and hold it up.
local MOST_BYTES = 1024 * 1024
local looked, bytes = 0, 0
while looked < page do
  local entry = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', 1)[1]
  if not entry then break end
  after, looked = entry[1], looked + 1
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  if bytes >= MOST_BYTES then looked = page end -- there may be more
  for i = 1, #entry[2], 2 do
    if entry[2][i] == field and entry[2][i + 1] == value then found[#found + 1] = entry[1] end
  end
end
return {after, looked, found}
