-- A piece of take and settle: an owed event becomes a dead letter.
-- The whole event goes along, since the stream is trimmed before the dead letters are.

local function bytes_of(entry)
  local bytes = 0
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  return bytes
end

local function forget(id)
  local had = redis.call('HDEL', owed, id)
  redis.call('ZREM', due, id)
  return had + redis.call('XACK', events, service, id)
end

-- The next event of its lane is told that this one is missing before it.
local MOST_MARKS = 10000
local function mark(lane, event_id)
  if redis.call('HLEN', after_dead) < MOST_MARKS or redis.call('HEXISTS', after_dead, lane) == 1 then
    redis.call('HSET', after_dead, lane, event_id)
  end
end

-- Returns the event's id and how many bytes were copied; nil and none where its entry is gone, and there is nothing to
-- bury. `lane` is "" or nil where it stood in none.
local function bury(id, reason, status, tries, lane)
  local entry = redis.call('XRANGE', events, id, id)[1]
  local fields = {}
  if entry then
    local letter = {}
    for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
    for _, name in ipairs({'id', 'type', 'endpoint', 'account', 'created', 'received', 'trace', 'body'}) do
      letter[#letter + 1] = name
      letter[#letter + 1] = fields[name] or ''
    end
    redis.call('XADD', dead, '*', 'origin', id, 'reason', reason, 'status', status, 'tries', tries, unpack(letter))
  end
  forget(id)
  redis.call('HINCRBY', count, entry and 'dead' or 'dropped', 1)
  if entry and lane and lane ~= '' then mark(lane, fields.id or '') end
  if not entry then return nil, 0 end
  return fields.id or '', bytes_of(entry)
end
