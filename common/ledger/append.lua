#!lua
-- append: events stand in the stream and their ids are remembered, or they were seen before;
-- what is for the pen stands in the pen. The only way in.
-- KEYS events about pen spool, then for each item: seen endpoint (of one for the pen: pen endpoint)
-- ARGV spool after last spool_kept_ms pen_events pen_bytes, then for each item ITEM of:
--   window_ms id type endpoint account created received trace body
-- (for the pen: window_ms is empty, id the reason, type the signature). `spool` is empty for what
-- comes from none; else the items follow its record `after`, and the last of them is its `last`.
-- The pen takes up to pen_events and pen_bytes of what no secret matched; empty: however much it is.
-- Returns {follows, last, results}, a result being {"stored" | "duplicate" | "full", id}, and of a spool's
-- items, for whom nobody waits, only how many were {stored, duplicate}; and where there was some that no
-- secret matched {events, bytes}, how much of it the pen holds.
-- Few calls for many events: what can be asked or counted for all of them at once, is.
local FIRST_KEY, FIRST, ITEM = 5, 7, 9
local events, about, pen, spool_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local spool, after, last, spool_kept_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local pen_events, pen_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])

-- include pen_held.lua

-- What does not follow is refused: Redis forgot something, or this batch was here before.
if spool ~= '' then
  local has = redis.call('GET', spool_key) or '0'
  if has ~= after then return {0, has, {}} end
end

local marks, endpoints, to_pen = {}, {}, false
for key = FIRST_KEY, #KEYS, 2 do
  local seen = KEYS[key]
  if seen == pen then to_pen = true else marks[#marks + 1] = seen end
  endpoints[KEYS[key + 1]] = true
end

local function counts_are_numbers(endpoint)
  for _, number in ipairs(redis.call('HMGET', endpoint, 'appended', 'duplicate', 'penned')) do
    if number and not string.find(number, '^%-?%d+$') then return false end
  end
  return true
end

-- A batch that is refused is tried again and again, and a script is not rolled back. So what can refuse is asked before
-- anything is written: what is stored and was not counted would be missing from the counts for ever.
for endpoint in pairs(endpoints) do
  if not counts_are_numbers(endpoint) then
    return redis.error_reply('NOCOUNT a count in ' .. endpoint .. ' is no number')
  end
end
if to_pen then redis.call('XLEN', pen) end

-- include is_after.lua

-- Remembered, but no longer in the stream although nobody trimmed it: a Redis that lost its newest
-- entries may have kept the mark. A spool goes back to what was lost, so here it is added again.
local function was_lost(at)
  if spool == '' or #redis.call('XRANGE', events, at, at) == 1 then return false end
  return is_after(at, redis.call('HGET', about, 'trimmed_to') or '0-0')
end

local counts = {} -- endpoint's key -> what -> how many
local function count(endpoint, what)
  local of = counts[endpoint] or {}
  counts[endpoint] = of
  of[what] = (of[what] or 0) + 1
end

local function seen_before()
  local found, values = {}, #marks > 0 and redis.call('MGET', unpack(marks)) or {}
  for i, key in ipairs(marks) do found[key] = values[i] end
  return found
end

local found = seen_before()

local function append(i, seen, endpoint)
  local at = found[seen]
  if at and not was_lost(at) then
    -- Of the tries' signatures one may stay fresh for longer: the mark outlives them all.
    redis.call('PEXPIRE', seen, ARGV[i], 'GT')
    count(endpoint, 'duplicate')
    return 'duplicate', at
  end
  at = redis.call('XADD', events, '*', 'id', ARGV[i + 1], 'type', ARGV[i + 2], 'endpoint', ARGV[i + 3],
    'account', ARGV[i + 4], 'created', ARGV[i + 5], 'received', ARGV[i + 6], 'trace', ARGV[i + 7], 'body', ARGV[i + 8])
  -- Only after XADD: scripts are not rolled back, and an id that is remembered without its event would
  -- have Kula's next try told "duplicate", and the event would be lost for ever.
  redis.call('SET', seen, at, 'PX', ARGV[i])
  found[seen] = at
  count(endpoint, 'appended')
  return 'stored', at
end

local function has_room(bytes)
  local held = held_unmatched()
  return not pen_events or (held.events < pen_events and held.bytes + bytes <= pen_bytes)
end

local penned = {} -- the ids of what this call put there
local function keep_in_pen(i, endpoint)
  if ARGV[i + 1] == UNMATCHED then
    local bytes = #ARGV[i + 2] + #ARGV[i + 8]
    if not has_room(bytes) then return 'full', '' end
    add_held(1, bytes)
  end
  local at = redis.call('XADD', pen, '*', 'endpoint', ARGV[i + 3], 'received', ARGV[i + 6], 'reason', ARGV[i + 1],
    'signature', ARGV[i + 2], 'body', ARGV[i + 8])
  penned[#penned + 1] = at
  count(endpoint, 'penned')
  return 'stored', at
end

-- Nothing is remembered of it, so the next try would put it there once more.
local function empty_pen_again()
  if #penned > 0 then redis.call('XDEL', pen, unpack(penned)) end
  for _, of in pairs(counts) do of.penned = nil end
  asked_held = nil
end

local results, told = {}, {stored = 0, duplicate = 0, full = 0}
local function append_all()
  local key = FIRST_KEY
  for i = FIRST, #ARGV, ITEM do
    local word, at
    if ARGV[i] == '' then
      word, at = keep_in_pen(i, KEYS[key + 1])
    else
      word, at = append(i, KEYS[key], KEYS[key + 1])
    end
    told[word] = told[word] + 1
    if spool == '' then results[#results + 1] = {word, at} end
    key = key + 2
  end
end

-- Where a key is not what it should be, the events that came before it are stored, and count.
local good, problem = pcall(append_all)
if not good then empty_pen_again() end
for endpoint, of in pairs(counts) do
  for what, number in pairs(of) do redis.call('HINCRBY', endpoint, what, number) end
end
note_held()
if not good then return problem end
if spool ~= '' then
  redis.call('SET', spool_key, last, 'PX', spool_kept_ms)
  results = {told.stored, told.duplicate}
end
return {1, last, results, asked_held and {asked_held.events, asked_held.bytes}}
