-- A piece of the endpoint_ scripts: how an endpoint is doing. Of its hash these fields are read,
-- and each of them has its time, in seconds, behind an @:
--   failed:RUN:PART, unproved:RUN:PART   how many in one quarter of an hour of one run of serve
--   webhook:ID                           state and proof, and when it was enabled, by commas
-- and of its rhythm: for each hour of the week how many events came in it, behind an @ which hour
-- that was; and `last`, when the last event came.
local PART_S, HOUR_S, DAY_S, WEEK_H = 900, 3600, 86400, 168
local MOST_OF_AN_HOUR = 10 -- one import of a thousand is no rhythm
local now = tonumber(redis.call('TIME')[1])

-- From tomorrow: Redis' clock was wrong then. Whoever knows it says it again.
local function is_old(at)
  return at <= now - DAY_S - PART_S or at > now + HOUR_S
end

local function read_webhook(id, value, at)
  local state, proof, enabled = string.match(value, '^(%S+) (%S+) (%S*)$')
  local webhook = {id, state or 'unknown', proof or 'none', math.max(0, now - at)}
  for second in string.gmatch(enabled or '', '%d+') do
    if not is_old(tonumber(second)) then webhook[#webhook + 1] = math.max(0, now - second) end
  end
  return webhook
end

-- Returns {failed, unproved}, webhooks and the names of fields that are old.
local function read(endpoint)
  local sums, webhooks, old = {failed = 0, unproved = 0}, {}, {}
  local flat = redis.call('HGETALL', endpoint)
  for i = 1, #flat, 2 do
    local kind, name = string.match(flat[i], '^(%l+):(.+)$')
    local value, at = string.match(flat[i + 1], '^(.*)@(%d+)$')
    at = tonumber(at)
    if kind and at and is_old(at) then
      old[#old + 1] = flat[i]
    elseif kind == 'webhook' and at then
      webhooks[#webhooks + 1] = read_webhook(name, value, at)
    elseif sums[kind] and at then
      sums[kind] = sums[kind] + (tonumber(value) or 0)
    end
  end
  return {sums.failed, sums.unproved}, webhooks, old
end

-- How many events came a week ago in the hours that are over since the last one. Nights and
-- weekends count for nothing by themselves, and what is rare takes long to be missed.
local function usual_since(rhythm, last)
  local first, this = math.floor(last / HOUR_S) + 1, math.floor(now / HOUR_S)
  local usual = 0
  for hour = math.max(first, this - WEEK_H), this do
    local count, of = string.match(redis.call('HGET', rhythm, hour % WEEK_H) or '', '^(%d+)@(%d+)$')
    of = tonumber(of)
    if of and of < hour and of >= hour - 2 * WEEK_H then
      local part = hour == this and now % HOUR_S / HOUR_S or 1
      usual = usual + math.min(tonumber(count), MOST_OF_AN_HOUR) * part
    end
  end
  return math.floor(usual)
end

-- Returns for how long there was no event, -1 where there never was one, and how many usually
-- come in such a time.
local function read_silence(rhythm)
  local last = tonumber(redis.call('HGET', rhythm, 'last'))
  if not last then return -1, 0 end
  return math.max(0, now - last), usual_since(rhythm, last)
end

local function tell(endpoint, rhythm)
  local failures, webhooks, old = read(endpoint)
  local silent, usual = read_silence(rhythm)
  return {failures, silent, usual, webhooks}, old
end
