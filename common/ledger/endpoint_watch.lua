#!lua flags=allow-oom
-- endpoint_watch: what a watcher saw of a webhook, and what watchers knew of it before.
-- KEYS endpoint rhythm   ARGV id state proof most, then how many seconds ago it was enabled, each time
-- An empty state or proof is not known: what stands stays. Returns what endpoint_look does.
-- include endpoint.lua

local endpoint, rhythm = KEYS[1], KEYS[2]
local id, state, proof, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local SAME_S = 30 -- nobody enables twice within it, but two may tell of the same one

local field = 'webhook:' .. id
local had_state, had_proof, had = string.match(redis.call('HGET', endpoint, field) or '', '^(%S+) (%S+) (%S*)@')
local enabled = {}

local function add(at)
  at = math.min(at, now)
  if is_old(at) then return end
  for _, other in ipairs(enabled) do
    if math.abs(other - at) <= SAME_S then return end
  end
  enabled[#enabled + 1] = at
end

for second in string.gmatch(had or '', '%d+') do add(tonumber(second)) end
for i = 5, #ARGV do add(now - tonumber(ARGV[i])) end
table.sort(enabled, function(a, b) return a > b end)
while #enabled > most do table.remove(enabled) end
redis.call('HSET', endpoint, field, string.format('%s %s %s@%d', state ~= '' and state or had_state or 'unknown',
  proof ~= '' and proof or had_proof or 'none', table.concat(enabled, ','), now))
local told = tell(endpoint, rhythm)
return told
