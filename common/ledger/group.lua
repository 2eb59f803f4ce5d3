-- A piece of take, heal, open, audit_service and service_look: what XINFO says of a service's group, or nil.
local function group_of(service)
  local groups = redis.pcall('XINFO', 'GROUPS', events)
  for _, flat in ipairs(groups.err and {} or groups) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    if group.name == service then return group end
  end
end
