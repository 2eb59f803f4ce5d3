#!lua flags=no-writes
-- where: how an entry stands at one service. Its dead letters are looked through a page at a time, the newest first.
-- KEYS places due owed dead   ARGV service stream_id before page; `before` is "+" at first
-- Returns {standing, attempts, due_in_ms, outcome}, or {"more", 0, 0, before}: ask again from there.
local places, due, owed, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local service, id = ARGV[1], ARGV[2]
local before, page = ARGV[3], tonumber(ARGV[4])
-- Letters carry whole bodies: one at a time and up to a mebibyte, or Redis would be held up by them.
local MOST_BYTES = 1024 * 1024

-- include is_after.lua

local place = redis.call('HGET', places, service)
if not place or is_after(id, place) then return {'unread', 0, 0, ''} end

local state = redis.call('HGET', owed, id)
if state then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local attempts, outcome = string.match(state, '^%S+ (%d+) %d+ %d+ (.*)$')
  return {'owed', attempts or 0, (redis.call('ZSCORE', due, id) or now) - now, outcome or ''}
end
local bytes = 0
for _ = 1, page do
  local letter = redis.call('XREVRANGE', dead, before, '-', 'COUNT', 1)[1]
  if not letter then return {'settled', 0, 0, ''} end
  before = '(' .. letter[1]
  local fields = {}
  for i = 1, #letter[2], 2 do
    fields[letter[2][i]] = letter[2][i + 1]
    bytes = bytes + #letter[2][i + 1]
  end
  if fields.origin == id then return {'dead', fields.tries or 0, 0, fields.reason or ''} end
  if bytes >= MOST_BYTES then break end
end
return {'more', 0, 0, before}
