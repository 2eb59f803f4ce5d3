#!lua flags=no-writes
-- endpoint_look: how an endpoint is doing.
-- KEYS endpoint rhythm
-- Returns {{failed, unproved}, silent_s | -1, usual, {{id, state, proof, looked_ago_s, enabled_ago_s ...} ...}}.
-- include endpoint.lua

local told = tell(KEYS[1], KEYS[2])
return told
