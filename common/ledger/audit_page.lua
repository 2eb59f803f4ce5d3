#!lua flags=no-writes
-- audit_page: a page of the stream as one service sees it, and a page of what it is owed.
-- KEYS events owed count   ARGV service after to page owed_cursor, then owed ids that the last page left
-- Returns {last id, how many were looked at, how many are meant for the service, next owed cursor,
-- owed ids that are not pending, owed ids that are not in the stream, trimmed, owed ids that are left}.
-- What is owed is pending at every moment, so a page needs no other page to be judged.
local events, owed, count = KEYS[1], KEYS[2], KEYS[3]
local service, after, to, page, cursor = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

-- One at a time and up to a mebibyte: a page of large bodies would fill Redis' memory, and hold it up.
local MOST_BYTES = 1024 * 1024
local looked, meant, bytes = 0, 0, 0
while to ~= '' and looked < tonumber(page) do
  local entry = redis.call('XRANGE', events, '(' .. after, to, 'COUNT', 1)[1]
  if not entry then break end
  after, looked = entry[1], looked + 1
  for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
  if bytes >= MOST_BYTES then looked = tonumber(page) end -- there may be more
  local addressee
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'to' then addressee = entry[2][i + 1] end
  end
  if not addressee or addressee == service then meant = meant + 1 end
end

local ids = {}
for i = 6, #ARGV do ids[#ids + 1] = ARGV[i] end
if #ids == 0 and cursor ~= '' then
  local scanned = redis.call('HSCAN', owed, cursor, 'COUNT', page)
  cursor = scanned[1] == '0' and '' or scanned[1]
  for i = 1, #scanned[2], 2 do ids[#ids + 1] = scanned[2][i] end
end

local not_pending, not_there, left = {}, {}, {}
local function look_at(id)
  if redis.call('HEXISTS', owed, id) == 0 then return end -- settled since it was left
  local pending = redis.pcall('XPENDING', events, service, id, id, 1)
  if pending.err or #pending == 0 then not_pending[#not_pending + 1] = id end
  local entry = redis.call('XRANGE', events, id, id)[1]
  if not entry then not_there[#not_there + 1] = id end
  for i = 2, entry and #entry[2] or 0, 2 do bytes = bytes + #entry[2][i] end
end

-- A scan brings as many as it likes, and whether one stands is only told with its body.
bytes = 0
for _, id in ipairs(ids) do
  if bytes < MOST_BYTES then look_at(id) else left[#left + 1] = id end
end
return {after, looked, meant, cursor, not_pending, not_there, redis.call('HGET', count, 'trimmed') or 0, left}
