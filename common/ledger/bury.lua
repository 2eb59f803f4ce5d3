-- A piece of take and settle: an owed event becomes a dead letter.
-- The whole event goes along, since the stream is trimmed before the dead letters are.

local function forget(id)
  local had = redis.call('HDEL', owed, id)
  redis.call('ZREM', due, id)
  return had + redis.call('XACK', events, service, id)
end

-- False where its entry is gone, and there is nothing to bury.
local function bury(id, reason, status, tries)
  local entry = redis.call('XRANGE', events, id, id)[1]
  if entry then
    local fields, letter = {}, {}
    for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
    for _, name in ipairs({'id', 'type', 'endpoint', 'account', 'created', 'received', 'trace', 'body'}) do
      letter[#letter + 1] = name
      letter[#letter + 1] = fields[name] or ''
    end
    redis.call('XADD', dead, '*', 'origin', id, 'reason', reason, 'status', status, 'tries', tries, unpack(letter))
  end
  forget(id)
  redis.call('HINCRBY', count, entry and 'dead' or 'dropped', 1)
  return entry ~= nil
end
