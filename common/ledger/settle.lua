#!lua flags=allow-oom
-- settle: how an attempt went, and what follows.
-- KEYS events due owed count dead log service
-- ARGV service stream_id lease verdict delay_ms event_id origin reason status took_ms log_most hold_ms
local events, due, owed, count, dead, log, about_service = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local service, id, lease, verdict, delay_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local event_id, origin, reason, status, took_ms, log_most = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local hold_ms = tonumber(ARGV[12])

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local holder, attempts, first = string.match(redis.call('HGET', owed, id) or '', '^(%S+) (%d+) (%d+)')
attempts = (attempts or 0) + 1
if not first or first == '0' then first = now end

local function note(outcome)
  redis.call('XADD', log, 'MAXLEN', '~', log_most, '*', 'service', service, 'id', id, 'event', event_id,
    'origin', origin, 'attempt', attempts, 'outcome', outcome, 'status', status, 'ms', took_ms, 'reason', reason)
end

local function forget()
  local had = redis.call('HDEL', owed, id)
  redis.call('ZREM', due, id)
  return had + redis.call('XACK', events, service, id)
end

-- Delivered is delivered, whoever holds the lease by now: trying again could only repeat it.
if verdict == 'done' then
  if forget() == 0 then return 0 end
  redis.call('HINCRBY', count, 'done', 1)
  note('delivered')
  return 1
end

if holder ~= lease then return 0 end

if verdict == 'defer' then
  redis.call('HSET', owed, id, table.concat({'-', attempts, first, now, reason}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now + delay_ms), id)
  -- The service asked for a pause: nobody gets anything for it before then.
  local held_until = tonumber(redis.call('HGET', about_service, 'held_until') or 0)
  if hold_ms > 0 and now + hold_ms > held_until then
    redis.call('HSET', about_service, 'held_until', string.format('%.0f', now + hold_ms))
  end
  note('again')
  return 1
end

-- bury: the whole event goes along, since the stream is trimmed before the dead letters are.
local entry = redis.call('XRANGE', events, id, id)[1]
if entry then
  local fields, letter = {}, {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  for _, name in ipairs({'id', 'type', 'endpoint', 'account', 'created', 'received', 'trace', 'body'}) do
    letter[#letter + 1] = name
    letter[#letter + 1] = fields[name] or ''
  end
  redis.call('XADD', dead, '*', 'origin', id, 'reason', reason, 'status', status, 'tries', attempts, unpack(letter))
end
forget()
redis.call('HINCRBY', count, entry and 'dead' or 'dropped', 1)
note('never')
return 1
