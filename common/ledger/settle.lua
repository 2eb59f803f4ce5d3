#!lua flags=allow-oom
-- settle: how an attempt went, and what follows.
-- KEYS events due owed count dead log service
-- ARGV service stream_id lease verdict delay_ms event_id origin reason status took_ms log_most hold_ms
--   breaker probe_in_ms
local events, due, owed, count, dead, log, about_service = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local service, id, lease, verdict, delay_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local event_id, origin, reason, status, took_ms, log_most = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local hold_ms, breaker, probe_in_ms = tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14])

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local holder, attempts, first = string.match(redis.call('HGET', owed, id) or '', '^(%S+) (%d+) (%d+)')
attempts = (attempts or 0) + 1
if not first or first == '0' then first = now end

-- include bury.lua

local function note(outcome)
  redis.call('XADD', log, 'MAXLEN', '~', log_most, '*', 'service', service, 'id', id, 'event', event_id,
    'origin', origin, 'attempt', attempts, 'outcome', outcome, 'status', status, 'ms', took_ms, 'reason', reason)
end

local function move_breaker()
  local open = redis.call('HGET', about_service, 'breaker') == 'open'
  local probe_at = string.format('%.0f', now + probe_in_ms)
  if breaker == 'closes' and open then
    redis.call('HDEL', about_service, 'breaker', 'opened', 'probe_at', 'probes', 'probed')
  elseif breaker == 'opens' and not open then
    redis.call('HSET', about_service, 'breaker', 'open', 'opened', now, 'probe_at', probe_at, 'probes', 0)
  elseif breaker == 'stays' and open then
    redis.call('HSET', about_service, 'probe_at', probe_at)
    redis.call('HINCRBY', about_service, 'probes', 1)
  end
end

-- Delivered is delivered, whoever holds the lease by now: trying again could only repeat it.
if verdict == 'done' then
  move_breaker()
  if forget(id) == 0 then return 0 end
  redis.call('HINCRBY', count, 'done', 1)
  note('delivered')
  return 1
end

if holder ~= lease then return 0 end
move_breaker()

if verdict == 'defer' then
  redis.call('HSET', owed, id, table.concat({'-', attempts, first, now, reason}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now + delay_ms), id)
  -- It was tried to its end: what counts how often it was handed out begins again.
  redis.call('XCLAIM', events, service, 'forward', 0, id, 'RETRYCOUNT', 0, 'JUSTID')
  -- The service asked for a pause: nobody gets anything for it before then.
  local held_until = tonumber(redis.call('HGET', about_service, 'held_until') or 0)
  if hold_ms > 0 and now + hold_ms > held_until then
    redis.call('HSET', about_service, 'held_until', string.format('%.0f', now + hold_ms))
  end
  note('again')
  return 1
end

bury(id, reason, status, attempts)
note('never')
return 1
