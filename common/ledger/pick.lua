#!lua flags=no-writes
-- pick: the entries of these ids, in their order; those that are gone are left out.
-- KEYS stream   ARGV ids...
local entries = {}
for _, id in ipairs(ARGV) do
  entries[#entries + 1] = redis.call('XRANGE', KEYS[1], id, id)[1]
end
return entries
