#!lua
-- append: events stand in the stream and their ids are remembered, or they were seen before;
-- what is for the pen stands in the pen. The only way in.
-- KEYS events about pen spool, then for each item: seen endpoint (of one for the pen: pen endpoint)
-- ARGV spool after spool_kept_ms, then for each item ITEM of:
--   kind sequence window_ms id type endpoint account created received trace body
-- (for the pen: id is the reason, type the signature). `spool` is empty for what comes from none.
-- Returns {follows, last, results}, a result being {"stored" | "duplicate", id}.
local ITEM = 11
local events, about, pen, spool_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local spool, after, spool_kept_ms = ARGV[1], ARGV[2], ARGV[3]

-- What does not follow is refused: Redis forgot something, or this batch was here before.
if spool ~= '' then
  local last = redis.call('GET', spool_key) or '0'
  if last ~= after then return {0, last, {}} end
end

local function is_after(id, than)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local than_ms, than_seq = string.match(than, '(%d+)-(%d+)')
  ms, than_ms = tonumber(ms), tonumber(than_ms)
  return ms > than_ms or (ms == than_ms and tonumber(seq) > tonumber(than_seq))
end

-- Remembered, but no longer in the stream although nobody trimmed it: a Redis that lost its newest
-- entries may have kept the mark. A spool goes back to what was lost, so here it is added again.
local function was_lost(at)
  if spool == '' or #redis.call('XRANGE', events, at, at) == 1 then return false end
  return is_after(at, redis.call('HGET', about, 'trimmed_to') or '0-0')
end

local function append(i, seen, endpoint)
  local at = redis.call('GET', seen)
  if at and not was_lost(at) then
    -- Of the tries' signatures one may stay fresh for longer: the mark outlives them all.
    redis.call('PEXPIRE', seen, ARGV[i + 2], 'GT')
    redis.call('HINCRBY', endpoint, 'duplicate', 1)
    return {'duplicate', at}
  end
  at = redis.call('XADD', events, '*', 'id', ARGV[i + 3], 'type', ARGV[i + 4], 'endpoint', ARGV[i + 5],
    'account', ARGV[i + 6], 'created', ARGV[i + 7], 'received', ARGV[i + 8], 'trace', ARGV[i + 9], 'body', ARGV[i + 10])
  -- Only after XADD: scripts are not rolled back, and an id that is remembered without its event would
  -- have Kula's next try told "duplicate", and the event would be lost for ever.
  redis.call('SET', seen, at, 'PX', ARGV[i + 2])
  redis.call('HINCRBY', endpoint, 'appended', 1)
  return {'stored', at}
end

local function keep_in_pen(i, endpoint)
  local at = redis.call('XADD', pen, '*', 'endpoint', ARGV[i + 5], 'received', ARGV[i + 8], 'reason', ARGV[i + 3],
    'signature', ARGV[i + 4], 'body', ARGV[i + 10])
  redis.call('HINCRBY', endpoint, 'penned', 1)
  return {'stored', at}
end

local results, last = {}, after
for i = 4, #ARGV, ITEM do
  local key = 5 + 2 * #results
  if ARGV[i] == 'pen' then
    results[#results + 1] = keep_in_pen(i, KEYS[key + 1])
  else
    results[#results + 1] = append(i, KEYS[key], KEYS[key + 1])
  end
  last = ARGV[i + 1]
end
if spool ~= '' then redis.call('SET', spool_key, last, 'PX', spool_kept_ms) end
return {1, last, results}
