-- A piece of append, heal, open, trim and where: of two stream ids, does the first stand behind the second?
local function is_after(id, than)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local than_ms, than_seq = string.match(than, '(%d+)-(%d+)')
  ms, than_ms = tonumber(ms), tonumber(than_ms)
  return ms > than_ms or (ms == than_ms and tonumber(seq) > tonumber(than_seq))
end
