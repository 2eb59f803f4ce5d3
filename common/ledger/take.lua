#!lua flags=allow-oom
-- take: hands out what is due and what is new, each with a lease.
-- KEYS events places due owed count service dead after_dead
-- ARGV service slots retry_slots lease_ms owed_most_ms most_bytes lease owner_ms after
--   head_count (stream_id lane)... endpoint_count endpoints... patterns...
-- A pattern is a Lua pattern, with "!" in front where it excludes; owner_ms, after and heads: see order.lua.
-- Returns {now, next_due_in_ms | -1, more, place, filtered, dropped, owed, entries, held_for_ms, paused,
-- breaker open, failed probes, is a probe, expired, poisonous, owned, put, not tried, all is put, marks}, an
-- entry being {stream id, attempts, first_ms, fields}; or {} when the group is gone.
local events, places, due, owed, count, about_service = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local dead, after_dead = KEYS[7], KEYS[8]
local service, slots, retry_slots, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local owed_most_ms, most_bytes, lease, owner_ms = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local after, heads, FILTER = ARGV[9], {}, 11 + 2 * ARGV[10]
-- So that Redis is not held up: entries that a call looks at, and the bytes of all that it reads or copies, also of what
-- it hands to nobody. The one that goes beyond them is the last.
local MOST_LOOKED = 500
-- Nobody may ask for more, or has a word that holds for longer: beyond that it is a clock that was set back.
local MOST_HOLD_MS, MOST_OWNED_MS = 3600000, 60000
local MOST_PROBE_MS = math.max(60000, lease_ms)
local PAUSE_LOOK_MS = 2000 -- so soon a forwarder hears that a pause is over
-- Whoever takes it dies of it, time after time: one that was only unlucky is settled long before.
local MOST_HANDED_OUT = 10
local MOST_AGED = 10 -- that a call buries while nothing is handed out

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for i = 11, FILTER - 1, 2 do heads[#heads + 1] = {id = ARGV[i], lane = ARGV[i + 1]} end
local endpoints, patterns = {}, {}
for i = FILTER + 1, FILTER + ARGV[FILTER] do endpoints[ARGV[i]] = true end
for i = FILTER + 1 + ARGV[FILTER], #ARGV do patterns[#patterns + 1] = ARGV[i] end

-- include group.lua

local place, group = redis.call('HGET', places, service), group_of(service)
if not place or not group then return {} end
-- Every owed event has a due time and the other way round: where one of the two keys was lost, heal first.
if redis.call('HLEN', owed) ~= redis.call('ZCARD', due) then return {} end
-- The noted place is the truth: a group set forward by hand would lose events, one set back repeat them.
if group['last-delivered-id'] ~= place then redis.call('XGROUP', 'SETID', events, service, place) end

-- include bury.lua

local state = {}
local flat = redis.call('HGETALL', about_service)
for i = 1, #flat, 2 do state[flat[i]] = flat[i + 1] end
local open = state.breaker == 'open'

local function until_time(at, most)
  local wait = math.max(0, (tonumber(at) or 0) - now)
  return wait <= most and wait or 0
end
local held_for = until_time(state.held_until, MOST_HOLD_MS)
if open then held_for = math.max(held_for, until_time(state.probe_at, MOST_PROBE_MS)) end
if state.paused then held_for = math.max(held_for, PAUSE_LOOK_MS) end

local taken, bytes, looked = {}, 0, 0
local filtered, dropped, expired, poisonous, more = 0, 0, 0, 0, 0
local owned, put, not_tried, all_is_put, marks = 0, {}, {}, 0, {}

local function reply(next_due_in)
  return {now, next_due_in, more, place, filtered, dropped, redis.call('HLEN', owed), taken, held_for,
    state.paused and 1 or 0, open and 1 or 0, tonumber(state.probes) or 0, open and #taken or 0, expired, poisonous,
    owned, put, not_tried, all_is_put, marks}
end

-- One forwarder at a time owns an ordered service. While somebody does, nobody else is handed anything, not even one
-- to whom the service is not ordered.
local NOT_OURS, OURS, OURS_ANEW = 0, 1, 2
local function own()
  local theirs_for = state.owner ~= lease and until_time(state.owner_until, MOST_OWNED_MS) or 0
  if theirs_for > 0 then return NOT_OURS, theirs_for end
  if owner_ms == 0 then
    if state.owner then redis.call('HDEL', about_service, 'owner', 'owner_until') end
    return NOT_OURS, 0
  end
  redis.call('HSET', about_service, 'owner', lease, 'owner_until', string.format('%.0f', now + owner_ms))
  return state.owner == lease and OURS or OURS_ANEW, 0
end

local theirs_for
owned, theirs_for = own()
if theirs_for > 0 then
  held_for = theirs_for
  return reply(-1)
end
-- Others had it meanwhile, and what its lanes hold may not be true any more.
if owned == OURS_ANEW then
  more = 1
  return reply(-1)
end

local function give(entry, attempts, first, last, outcome)
  redis.call('HSET', owed, entry[1], table.concat({lease, attempts, first, last, outcome}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now + lease_ms), entry[1])
  taken[#taken + 1] = {entry[1], attempts, first, entry[2]}
end

local function drop(id)
  forget(id)
  redis.call('HINCRBY', count, 'dropped', 1)
  dropped = dropped + 1
end

local function bury_untried(id, reason, attempts, lane)
  local dies, copied = bury(id, reason, 0, attempts, lane)
  bytes = bytes + copied
  return dies
end

-- Its time is over, however it would go now. Then the second value is the dead letter's event, where there is one.
local function expire(id, attempts, first, lane)
  if first == '0' or now - first < owed_most_ms then return false end
  local dies = bury_untried(id, 'owed for longer than forward.retention.events', attempts, lane)
  expired, dropped = expired + (dies and 1 or 0), dropped + (dies and 0 or 1)
  return true, dies
end

local function owed_state(id)
  local holder, attempts, first, last, outcome =
    string.match(redis.call('HGET', owed, id) or '', '^(%S+) (%d+) (%d+) (%d+) (.*)$')
  return attempts or '0', first or '0', last or '0', outcome or '-', holder or '-'
end

-- Returns the dead letter's event where it became one instead.
local function claim(id, lane)
  local pending = redis.call('XPENDING', events, service, id, id, 1)[1]
  if not pending and redis.call('HEXISTS', owed, id) == 0 then
    redis.call('ZREM', due, id) -- settled long ago: nobody is owed it
    return
  end
  local attempts, first, last, outcome = owed_state(id)
  local over, died = expire(id, attempts, first, lane)
  if over then return died end
  if pending and pending[4] >= MOST_HANDED_OUT then
    local dies = bury_untried(id, 'handed out ' .. pending[4] .. ' times and never tried to the end', attempts, lane)
    poisonous, dropped = poisonous + (dies and 1 or 0), dropped + (dies and 0 or 1)
    return dies
  end
  -- It also counts that it is handed out; see XPENDING.
  local entry = redis.call('XCLAIM', events, service, 'forward', 0, id, 'FORCE')[1]
  if entry then
    bytes = bytes + bytes_of(entry)
    give(entry, attempts, first, last, outcome)
  else
    drop(id)
  end
end

local function ids_due(most)
  return redis.call('ZRANGE', due, '-inf', string.format('%.0f', now), 'BYSCORE', 'LIMIT', 0, most)
end

if held_for > 0 then
  -- What nobody tries ages all the same.
  for _, id in ipairs(owned == NOT_OURS and ids_due(MOST_AGED) or {}) do
    if bytes >= most_bytes then break end
    local attempts, first = owed_state(id)
    expire(id, attempts, first)
  end
  for i = 1, math.min(#heads, MOST_AGED) do
    if bytes >= most_bytes then break end
    local attempts, first = owed_state(heads[i].id)
    local over, died = expire(heads[i].id, attempts, first, heads[i].lane)
    if over then not_tried[#not_tried + 1] = {heads[i].id, -1, died or ''} end
  end
  return reply(-1)
end

local function field(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then return fields[i + 1] end
  end
end

local function wanted(fields)
  if next(endpoints) and not endpoints[field(fields, 'endpoint')] then return false end
  local kind = field(fields, 'type') or ''
  local included, only_excludes = false, true
  for _, pattern in ipairs(patterns) do
    if string.sub(pattern, 1, 1) == '!' then
      if string.find(kind, string.sub(pattern, 2)) then return false end
    else
      only_excludes = false
      included = included or string.find(kind, pattern) ~= nil
    end
  end
  return included or only_excludes
end

local function claim_due()
  local most = math.min(slots - #taken, retry_slots)
  local before = #taken
  while #taken - before < most and bytes < most_bytes and looked < MOST_LOOKED do
    local id = ids_due(1)[1]
    if not id then break end
    looked = looked + 1
    claim(id) -- which takes it out of what is due, one way or another
  end
end

local read, given, fresh = 0, 0, false
local function read_new(list, accept)
  while #list < slots and bytes < most_bytes and looked < MOST_LOOKED do
    local found = redis.call('XREADGROUP', 'GROUP', service, 'forward', 'COUNT', 1, 'STREAMS', events, '>')
    if not found then break end
    local entry = found[1][2][1]
    local to = field(entry[2], 'to')
    read, looked, bytes = read + 1, looked + 1, bytes + bytes_of(entry)
    place = entry[1]
    if to and to ~= service then
      redis.call('XACK', events, service, entry[1])
    elseif to or wanted(entry[2]) then
      given, fresh = given + 1, true
      accept(entry, '0', '0', '0', '-')
    else
      given, filtered = given + 1, filtered + 1
      redis.call('XACK', events, service, entry[1])
    end
  end
end

-- include order.lua

-- What fails for hours must not keep what is new from its first attempt, nor the other way round: by lot; and
-- probes take turns, for one bad event must not keep the breaker open.
local due_first
if open then
  if owned == NOT_OURS then slots, retry_slots = 1, 1 end
  due_first = state.probed == 'new'
else
  due_first = string.find(lease, '^[0-7]') ~= nil
end
if owned == OURS then
  take_in_order()
elseif due_first then
  claim_due()
  read_new(taken, give)
else
  read_new(taken, give)
  claim_due()
end

if read > 0 then redis.call('HSET', places, service, place) end
if given > 0 then redis.call('HINCRBY', count, 'given', given) end
if filtered > 0 then redis.call('HINCRBY', count, 'filtered', filtered) end

if #(owned == OURS and put or taken) >= slots or bytes >= most_bytes or looked >= MOST_LOOKED then more = 1 end
if open and #taken > 0 then
  -- The next one when this one is settled, or its taker has died.
  more, held_for = 0, lease_ms
  redis.call('HSET', about_service, 'probe_at', string.format('%.0f', now + lease_ms), 'probed', fresh and 'new' or 'due')
end

local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return reply(next_due[2] and math.max(0, next_due[2] - now) or -1)
