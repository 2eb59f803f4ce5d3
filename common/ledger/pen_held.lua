-- How much in the pen no secret matched: anybody can send that, so it is counted, in `about`.
-- Needs `pen` and `about`. What was asked for is written down by note_held().
local UNMATCHED = 'unmatched'
local asked_held
local function held_unmatched()
  if not asked_held then
    local noted = redis.call('HMGET', about, 'unmatched', 'unmatched_bytes')
    asked_held = {events = tonumber(noted[1] or 0) or 0, bytes = tonumber(noted[2] or 0) or 0}
    -- Somebody removed it by hand.
    if redis.call('XLEN', pen) == 0 then asked_held = {events = 0, bytes = 0} end
  end
  return asked_held
end

local function add_held(events, bytes)
  local held = held_unmatched()
  held.events = math.max(held.events + events, 0)
  held.bytes = math.max(held.bytes + bytes, 0)
end

local function note_held()
  if asked_held then
    redis.call('HSET', about, UNMATCHED, asked_held.events, UNMATCHED .. '_bytes', asked_held.bytes)
  end
end
