/* The ledger's scripts, made from the .lua files by embed.py. */
#pragma once
#include "net/redis.h"

extern struct redis_script script_append, script_audit_page, script_audit_service,
    script_audit_stream, script_endpoint_look, script_endpoint_report, script_endpoint_watch,
    script_heal, script_open, script_page, script_pen_remove, script_pick, script_release,
    script_revive, script_search, script_service_forget, script_service_look, script_service_set,
    script_settle, script_spool_look, script_stream_look, script_take, script_trim, script_where;
extern struct redis_script *const scripts_all[];
