#!lua flags=allow-oom
-- pen_remove: these leave the pen; some may have gone before.
-- KEYS pen about   ARGV ids...
-- Returns {how many went, {events, bytes}}: of what no secret matched, what is left.
local pen, about = KEYS[1], KEYS[2]

-- include pen_held.lua

local function fields_of(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end

local gone = 0
local left = held_unmatched()
for _, id in ipairs(ARGV) do
  local entry = redis.call('XRANGE', pen, id, id)[1]
  if entry then
    local fields = fields_of(entry)
    gone = gone + redis.call('XDEL', pen, id)
    if fields.reason == UNMATCHED then add_held(-1, -(#(fields.signature or '') + #(fields.body or ''))) end
  end
end
note_held()
return {gone, {left.events, left.bytes}}
