#!lua flags=allow-oom
-- pen_remove: these leave the pen; some may have gone before.
-- KEYS pen about   ARGV ids...
-- Returns {{1 where it went, else 0...}, {events, bytes}}: of each id, and of what no secret matched, what is left.
local pen, about = KEYS[1], KEYS[2]

-- include pen_held.lua

local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end

local went = {}
local left = held_unmatched()
for i, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', pen, id, id)[1]
  went[i] = entry and 1 or 0
  if entry then
    local fields = fields_of(entry)
    redis.call('XDEL', pen, id)
    if fields.reason == UNMATCHED then add_held(-1, -(#(fields.signature or '') + #(fields.body or ''))) end
  end
end
note_held()
return {went, {left.events, left.bytes}}
