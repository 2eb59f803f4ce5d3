-- A piece of take: what the owner of an ordered service gets.
-- It knows the events' keys and thereby the lanes; here nobody does. So it says which events stand first in theirs, the
-- heads, and these are tried; what is new it is only told of, without a lease, and puts it into a lane. `after` is not
-- empty while it puts the lanes together: then it is told what is owed behind that id, and nothing new is read.
-- `put` has {stream id, attempts, first_ms, fields, wait_ms}, `not_tried` {stream id, wait_ms or -1 where it is owed no
-- more, the dead letter's event or ""}.
local PAGE = 500

local function keep(entry, attempts, first, last, outcome)
  redis.call('HSET', owed, entry[1], table.concat({'-', attempts, first, last, outcome}, ' '))
  redis.call('ZADD', due, string.format('%.0f', now), entry[1])
  put[#put + 1] = {entry[1], attempts, first, entry[2], 0}
end

-- For how long it is somebody else's: he may be trying it until his lease ends; or it is not due before.
local function wait_for(id, holder)
  if holder == lease then return 0 end
  return math.max(0, (tonumber(redis.call('ZSCORE', due, id) or 0)) - now)
end

local function put_owed()
  local most = math.min(PAGE, slots)
  local page = most > 0 and redis.call('XPENDING', events, service, '(' .. after, '+', most) or {}
  if after == '0-0' then marks = redis.call('HGETALL', after_dead) end
  for _, pending in ipairs(page) do
    if bytes >= most_bytes then return end
    local id = pending[1]
    local attempts, first, _, _, holder = owed_state(id)
    local entry = redis.call('XRANGE', events, id, id)[1] or {id, {}}
    put[#put + 1] = {id, attempts, first, entry[2], wait_for(id, holder)}
    bytes = bytes + bytes_of(entry)
  end
  if #page < most then all_is_put = 1 end
end

local function read_on()
  if after == '' then
    read_new(put, keep)
  else
    more = 1
    put_owed()
  end
end

local function try(head)
  local attempts, _, _, _, holder = owed_state(head.id)
  local wait = holder ~= '-' and wait_for(head.id, holder) or 0
  local before = #taken
  local died = wait == 0 and claim(head.id, head.lane)
  fresh = attempts == '0'
  if #taken == before then not_tried[#not_tried + 1] = {head.id, wait > 0 and wait or -1, died or ''} end
end

local function probe()
  local untried = state.probed ~= 'new'
  -- Without lanes there is nothing to probe, and putting them together costs the service nothing.
  if after ~= '' then read_on() end
  for _, head in ipairs(heads) do
    if (owed_state(head.id) == '0') == untried then return try(head) end
  end
  -- One of those that are new may stand first in its lane.
  if after == '' and (untried or not heads[1]) then read_on() end
  if #put == 0 and heads[1] then try(heads[1]) end
end

local function take_in_order()
  if open then return probe() end
  for _, head in ipairs(heads) do
    if bytes < most_bytes then try(head) end
  end
  read_on()
end
