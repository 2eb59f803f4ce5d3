#!lua flags=no-writes
-- search: the ids of entries in which a field has a value, a page at a time.
-- KEYS stream   ARGV field value after page
-- Returns {last id looked at, how many were looked at, ids}.
local field, value, after, page = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local found = {}
local entries = redis.call('XRANGE', KEYS[1], '(' .. after, '+', 'COUNT', page)
for _, entry in ipairs(entries) do
  after = entry[1]
  for i = 1, #entry[2], 2 do
    if entry[2][i] == field and entry[2][i + 1] == value then found[#found + 1] = entry[1] end
  end
end
return {after, #entries, found}
