#!lua flags=allow-oom
-- settle: how attempts at one service went, and what follows.
-- KEYS events due owed count dead log service after_dead
-- ARGV service log_most, then for each attempt
--   stream_id lease verdict delay_ms event_id origin reason status took_ms hold_ms breaker probe_in_ms
--   lane
-- Returns for each 1, or 0 where its lease is no longer held, or what Redis refused: that stops only this one.
local events, due, owed, count, dead, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local about_service, after_dead = KEYS[7], KEYS[8]
local service, log_most, FIRST, EACH = ARGV[1], ARGV[2], 3, 13
local MOST_HOLD_MS = 3600000 -- as in take

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))

-- include bury.lua

local function note(one, outcome)
  redis.call('XADD', log, 'MAXLEN', '~', log_most, '*', 'service', service, 'id', one.id, 'event', one.event_id,
    'origin', one.origin, 'attempt', one.attempts, 'outcome', outcome, 'status', one.status, 'ms', one.took_ms,
    'reason', one.reason)
end

local function move_breaker(one)
  if one.breaker == 'as_is' then return end
  local open = redis.call('HGET', about_service, 'breaker') == 'open'
  local probe_at = string.format('%.0f', now + one.probe_in_ms)
  if one.breaker == 'closes' and open then
    redis.call('HDEL', about_service, 'breaker', 'opened', 'probe_at', 'probes', 'probed')
  elseif one.breaker == 'opens' and not open then
    redis.call('HSET', about_service, 'breaker', 'open', 'opened', now, 'probe_at', probe_at, 'probes', 0)
  elseif one.breaker == 'stays' and open then
    redis.call('HSET', about_service, 'probe_at', probe_at)
    redis.call('HINCRBY', about_service, 'probes', 1)
  end
end

-- A Redis that failed over and lost its newest entries may have given the id to another event since.
local function is_another(one)
  local entry = redis.call('XRANGE', events, one.id, one.id)[1]
  for i = 1, entry and #entry[2] or 0, 2 do
    if entry[2][i] == 'id' then return entry[2][i + 1] ~= one.event_id end
  end
  return false
end

-- Delivered is delivered, whoever holds the lease by now: trying again could only repeat it.
local function done(one, holder)
  move_breaker(one)
  if one.lane ~= '' then redis.call('HDEL', after_dead, one.lane) end
  -- Who woke after all was settled has no body read for it.
  if holder and holder ~= one.lease and is_another(one) then return 0 end
  if forget(one.id) == 0 then return 0 end
  redis.call('HINCRBY', count, 'done', 1)
  note(one, 'delivered')
  return 1
end

local function defer(one)
  redis.call('HSET', owed, one.id, table.concat({'-', one.attempts, one.first, now, one.reason}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now + one.delay_ms), one.id)
  -- It was tried to its end: what counts how often it was handed out begins again.
  redis.call('XCLAIM', events, service, 'forward', 0, one.id, 'RETRYCOUNT', 0, 'JUSTID')
  -- The service asked for a pause: nobody gets anything for it before then.
  if one.hold_ms > 0 then
    local held_until = tonumber(redis.call('HGET', about_service, 'held_until') or 0)
    if now + one.hold_ms > held_until or held_until > now + MOST_HOLD_MS then
      redis.call('HSET', about_service, 'held_until', string.format('%.0f', now + one.hold_ms))
    end
  end
  note(one, 'again')
  return 1
end

local owner = redis.call('HGET', about_service, 'owner')
local function settle(at)
  local one = {
    id = ARGV[at], lease = ARGV[at + 1], verdict = ARGV[at + 2], delay_ms = tonumber(ARGV[at + 3]),
    event_id = ARGV[at + 4], origin = ARGV[at + 5], reason = ARGV[at + 6], status = ARGV[at + 7],
    took_ms = ARGV[at + 8], hold_ms = tonumber(ARGV[at + 9]), breaker = ARGV[at + 10], probe_in_ms = tonumber(ARGV[at + 11]),
    lane = ARGV[at + 12],
  }
  local holder, attempts, first = string.match(redis.call('HGET', owed, one.id) or '', '^(%S+) (%d+) (%d+)')
  one.attempts = (attempts or 0) + 1
  -- A first attempt that is still to come was made before the clock was set back: nobody would give it up.
  local is_past = first and first ~= '0' and tonumber(first) <= tonumber(now)
  one.first = is_past and first or now
  if one.verdict == 'done' then return done(one, holder) end
  -- Of an ordered service only its owner says what comes next.
  if holder ~= one.lease or (owner and owner ~= one.lease) then return 0 end
  move_breaker(one)
  if one.verdict == 'defer' then return defer(one) end
  bury(one.id, one.reason, one.status, one.attempts, one.lane)
  note(one, 'never')
  return 1
end

local results = {}
for at = FIRST, #ARGV, EACH do
  local ran, result = pcall(settle, at)
  if not ran and type(result) ~= 'table' then result = redis.error_reply(result) end
  results[#results + 1] = result
end
return results
