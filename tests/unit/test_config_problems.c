/* Every mistake that a configuration can hold: what stands in the file, and the
 * lines that people get to read. An empty text means that it is fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "scratch.h"

struct problems_case {
    enum config_for needs;
    const char *yaml;
    const char *problems;
};

/* A `serve` that lacks nothing but the spool's folder. */
#define SERVE                                                                                      \
    "serve:\n"                                                                                     \
    "  listen: [{address: \"a:1\"}]\n"                                                             \
    "  endpoints: [{name: k, path: /k, secret_files: [secret]}]\n"

#define NO_FOLDER                                                                                  \
    "serve.spool.directory: is missing: a 2xx waits until the delivery is on disk, in the folder " \
    "that is named here; name one, or write durability: ledger under serve to wait for Redis "     \
    "instead\n"

#define SERVICE "services:\n  - {name: a, url: \"http://a\", "

#define NO_ORDER                                                                                   \
    "is no order: write none, account, or the path of a member in the body, with 2 to 8 parts, "   \
    "as in data.candidate_id\n"

#define NO_KEY                                                                                     \
    "is not a Standard Webhooks secret: base64 of 24 to 64 bytes, with whsec_ before it; "         \
    "`openssl rand -base64 32` makes one\n"

/* The files secret, empty, twolines, cert, key and huge are there; missing is not. */
static const struct problems_case cases[] = {
    /* The file as a whole. */
    {CONFIG_FOR_LEDGER, "",
     "t:1:1: the file is empty: it needs an endpoint under serve.endpoints, or a service under "
     "services\n"},
    {CONFIG_FOR_LEDGER, "# nothing but a comment\n",
     "t:1:1: the file is empty: it needs an endpoint under serve.endpoints, or a service under "
     "services\n"},
    {CONFIG_FOR_LEDGER, "---\n",
     "t:1:1: the file is empty: it needs an endpoint under serve.endpoints, or a service under "
     "services\n"},
    {CONFIG_FOR_LEDGER,
     "- a\n"
     "- b\n",
     "t:1:1: the file should be a map of keys, and is a list\n"},
    {CONFIG_FOR_LEDGER, "just a text\n",
     "t:1:1: the file should be a map of keys, and is a single value\n"},
    {CONFIG_FOR_LEDGER, "{}\n",
     "t:1:1: the file is empty: it needs an endpoint under serve.endpoints, or a service under "
     "services\n"},
    {CONFIG_FOR_LEDGER, "%TAG ! x\n",
     "t:2:1: this is not YAML: did not find expected <document start>\n"},
    {CONFIG_FOR_ALL, "log: {level: info}\n",
     "t:1:1: serve: there is nothing to do: neither an endpoint under serve.endpoints nor a "
     "service under services\n"},
    /* What YAML itself refuses. */
    {CONFIG_FOR_LEDGER, "log: {level: info\n",
     "t:2:1: this is not YAML: did not find expected ',' or '}' while parsing a flow mapping that "
     "begins in line 1\n"},
    {CONFIG_FOR_LEDGER,
     "log:\n"
     "\tlevel: info\n",
     "t:2:1: this is not YAML: found character that cannot start any token while scanning for the "
     "next token; indent with blanks, not with tabs\n"},
    {CONFIG_FOR_LEDGER,
     "log:\n"
     "  level: \"info\n",
     "t:3:1: this is not YAML: found unexpected end of stream while scanning a quoted scalar that "
     "begins in line 2\n"},
    {CONFIG_FOR_LEDGER,
     "log:\n"
     "    level: info\n"
     "  format: text\n",
     "t:3:3: this is not YAML: did not find expected key while parsing a block mapping that begins "
     "in line 1\n"},
    {CONFIG_FOR_LEDGER,
     "log: \xff"
     "\n",
     "t:1:6: this is not YAML: invalid leading UTF-8 octet\n"},
    {CONFIG_FOR_LEDGER, "log: &l {level: info}\n",
     "t:1:6: anchors (&) are not used here: write the value itself\n"},
    {CONFIG_FOR_LEDGER,
     "log: &l {level: info}\n"
     "forward: *l\n",
     "t:1:6: anchors (&) are not used here: write the value itself\n"
     "t:2:10: aliases (*) are not used here: write the value itself, and put quotes around a value "
     "that begins with \"*\"\n"},
    {CONFIG_FOR_LEDGER, "log: {level: !!str info}\n",
     "t:1:14: tags (!) are not used here: put quotes around a value that begins with \"!\"\n"},
    {CONFIG_FOR_LEDGER,
     "log: {level: info}\n"
     "---\n"
     "log: {level: info}\n",
     "t:2:1: a second document begins here: one is read, no more\n"},
    {CONFIG_FOR_LEDGER, "log: {? [a] : b, level: info}\n", "t:1:9: a key must be a word\n"},
    {CONFIG_FOR_LEDGER, "redis: {prefix: \"a\\0b\"}\n", "t:1:17: a value cannot hold a NUL byte\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [*]\n",
     "t:4:15: this is not YAML: did not find expected alphabetic or numeric character while "
     "scanning an alias; put quotes around a value that begins with \"*\"\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [*application]\n",
     "t:4:14: aliases (*) are not used here: write the value itself, and put quotes around a value "
     "that begins with \"*\"\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [!application.updated]\n",
     "t:4:34: this is not YAML: did not find expected whitespace or line break while scanning a "
     "tag; put quotes around a value that begins with \"!\"\n"},
    {CONFIG_FOR_LEDGER, "log: [[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]\n",
     "t:1:20: this is nested too deeply\n"},
    /* Keys. */
    {CONFIG_FOR_LEDGER, "serv: {}\n", "t:1:1: unknown key \"serv\"; did you mean \"serve\"?\n"},
    {CONFIG_FOR_LEDGER, "redis: {ulr: x}\n",
     "t:1:9: redis: unknown key \"ulr\"; did you mean \"url\"?\n"},
    {CONFIG_FOR_LEDGER, "redis: {password: hunter2}\n",
     "t:1:9: redis: unknown key \"password\"; did you mean \"password_file\"?\n"},
    {CONFIG_FOR_LEDGER, "log: {colour: blue}\n",
     "t:1:7: log: unknown key \"colour\"; known here: level, format\n"},
    {CONFIG_FOR_LEDGER, "serve: {colour: blue}\n",
     "t:1:9: serve: unknown key \"colour\"; known here: listen, trusted_proxies, admin, "
     "endpoints, body_limit, "
     "connections, bytes_in_flight, dedup_window, pen, durability, spool\n"},
    {CONFIG_FOR_LEDGER, "serve: {spool: {folder: /x}}\n",
     "t:1:17: serve.spool: unknown key \"folder\"; known here: directory, max_size, keep\n"},
    {CONFIG_FOR_LEDGER, "\"a\\nb\": 1\n",
     "t:1:1: unknown key \"a?b\"; known here: redis, serve, forward, services, kula, log\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    retry: {give_upp: 1h, frist: 1s}\n",
     "t:4:13: services[0].retry: unknown key \"give_upp\"; did you mean \"give_up\"?\n"
     "t:4:27: services[0].retry: unknown key \"frist\"; did you mean \"first\"?\n"},
    {CONFIG_FOR_LEDGER, "log: {level: info, format: auto, level: debug}\n",
     "t:1:34: log: \"level\" is given twice, first in line 1, column 7\n"},
    {CONFIG_FOR_LEDGER,
     "log: {level: info}\n"
     "forward: {admin: \"a:1\"}\n"
     "log:\n"
     "  level: debug\n",
     "t:3:1: \"log\" is given twice, first in line 1, column 1\n"},
    {CONFIG_FOR_LEDGER,
     "nope: 1\n"
     "nope: 2\n",
     "t:1:1: unknown key \"nope\"; known here: redis, serve, forward, services, kula, log\n"
     "t:2:1: \"nope\" is given twice, first in line 1, column 1\n"},
    /* Kinds. */
    {CONFIG_FOR_LEDGER, "log: text\n", "t:1:6: log: should be a map, and is a single value\n"},
    {CONFIG_FOR_LEDGER, "log: [level]\n", "t:1:6: log: should be a map, and is a list\n"},
    {CONFIG_FOR_LEDGER, "log:\n", "t:1:1: log: is empty: write a map, or leave it out\n"},
    {CONFIG_FOR_LEDGER, "log: {level: }\n",
     "t:1:7: log.level: is empty: write a single value, or leave it out\n"},
    {CONFIG_FOR_LEDGER, "log: {level: ~, format: null}\n",
     "t:1:7: log.level: is empty: write a single value, or leave it out\n"
     "t:1:17: log.format: is empty: write a single value, or leave it out\n"},
    {CONFIG_FOR_LEDGER, "log: {level: \"\"}\n", "t:1:14: log.level: is empty\n"},
    {CONFIG_FOR_LEDGER, "log: {level: {a: b}}\n",
     "t:1:14: log.level: should be a single value, and is a map\n"},
    {CONFIG_FOR_LEDGER, "log: {level: [info]}\n",
     "t:1:14: log.level: should be a single value, and is a list\n"},
    {CONFIG_FOR_LEDGER, "services: {name: a}\n",
     "t:1:11: services: should be a list, and is a map\n"},
    {CONFIG_FOR_LEDGER, "services: [a, ~]\n",
     "t:1:12: services[0]: should be a map, and is a single value\n"
     "t:1:15: services[1]: is empty: write a map, or leave it out\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: application.*\n",
     "t:4:13: services[0].events: should be a list, and is a single value\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [[a], {b: c}, ~, \"\"]\n",
     "t:4:14: services[0].events[0]: should be a single value, and is a list\n"
     "t:4:19: services[0].events[1]: should be a single value, and is a map\n"
     "t:4:27: services[0].events[2]: is empty: write a single value, or leave it out\n"
     "t:4:30: services[0].events[3]: is empty\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: []\n",
     "t:4:13: services[0].events: is an empty list: put something into it, or leave it out\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    retry: 5s\n",
     "t:4:12: services[0].retry: should be a map, and is a single value\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    headers: [X-A]\n",
     "t:4:14: services[0].headers: should be a map, and is a list\n"},
    {CONFIG_FOR_LEDGER,
     "redis:\n"
     "  ca_file: |\n"
     "    two\n"
     "    lines\n",
     "t:2:12: redis.ca_file: holds a line break or another control character\n"},
    /* Values. */
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    timeout: 15\n",
     "t:4:14: services[0].timeout: \"15\" is not a duration: write a whole number with its unit, "
     "as in 250ms, 15s, 5m, 72h or 7d\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    timeout: 15 s\n",
     "t:4:14: services[0].timeout: \"15 s\" is not a duration: write a whole number with its unit, "
     "as in 250ms, 15s, 5m, 72h or 7d\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    timeout: 1ms\n",
     "t:4:14: services[0].timeout: 1ms is out of range: 10ms to 10m\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    timeout: 99999999999999999999s\n",
     "t:4:14: services[0].timeout: \"99999999999999999999s\" is not a duration: write a whole "
     "number with its unit, as in 250ms, 15s, 5m, 72h or 7d\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    connect_timeout: -5s\n",
     "t:4:22: services[0].connect_timeout: \"-5s\" is not a duration: write a whole number with "
     "its unit, as in 250ms, 15s, 5m, 72h or 7d\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    concurrency: 0\n",
     "t:4:18: services[0].concurrency: 0 is out of range: 1 to 1000\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    concurrency: 1001\n",
     "t:4:18: services[0].concurrency: 1001 is out of range: 1 to 1000\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    concurrency: many\n",
     "t:4:18: services[0].concurrency: \"many\" is not a whole number\n"},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: none}\n", ""},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: account}\n", ""},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: data.a.b.c.d.e.f.g}\n", ""},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: acount}\n",
     "t:2:42: services[0].order_by: \"acount\" " NO_ORDER},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: data.}\n",
     "t:2:42: services[0].order_by: \"data.\" " NO_ORDER},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: .id}\n",
     "t:2:42: services[0].order_by: \".id\" " NO_ORDER},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: a..b}\n",
     "t:2:42: services[0].order_by: \"a..b\" " NO_ORDER},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: \"a.b c\"}\n",
     "t:2:42: services[0].order_by: \"a.b c\" " NO_ORDER},
    {CONFIG_FOR_LEDGER, SERVICE "order_by: a.b.c.d.e.f.g.h.i}\n",
     "t:2:42: services[0].order_by: \"a.b.c.d.e.f.g.h.i\" " NO_ORDER},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    start: yesterday\n",
     "t:4:12: services[0].start: \"yesterday\" is not known: write now or beginning, or a duration "
     "to look back, as in 24h\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    start: 24\n",
     "t:4:12: services[0].start: \"24\" is not a duration: write a whole number with its unit, as "
     "in 250ms, 15s, 5m, 72h or 7d\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    start: 400d\n",
     "t:4:12: services[0].start: 400d is out of range: 1s to 365d\n"},
    {CONFIG_FOR_LEDGER, "serve: {body_limit: 8MB}\n",
     "t:1:21: serve.body_limit: \"8MB\" is not a size: write a whole number with its unit, as in "
     "512B, 64KiB, 8MiB or 1GiB\n"},
    {CONFIG_FOR_LEDGER, "serve: {body_limit: 1GiB}\n",
     "t:1:21: serve.body_limit: 1GiB is out of range: 1KiB to 64MiB\n"},
    {CONFIG_FOR_LEDGER, "serve: {connections: 1e4}\n",
     "t:1:22: serve.connections: \"1e4\" is not a whole number\n"},
    {CONFIG_FOR_LEDGER, "serve: {durability: memory}\n",
     "t:1:21: serve.durability: \"memory\" is not known: write spool or ledger\n"},
    {CONFIG_FOR_LEDGER, "serve: {spool: {keep: 59s}}\n",
     "t:1:23: serve.spool.keep: 59s is out of range: 1m to 7d\n"},
    {CONFIG_FOR_LEDGER, "serve: {spool: {max_size: 1MiB, keep: 8d}}\n",
     "t:1:27: serve.spool.max_size: 1MiB is out of range: 64MiB to 1024GiB\n"
     "t:1:39: serve.spool.keep: 8d is out of range: 1m to 7d\n"},
    {CONFIG_FOR_LEDGER, "log: {level: loud, format: xml}\n",
     "t:1:14: log.level: \"loud\" is not known: write debug, info, warning or error\n"
     "t:1:28: log.format: \"xml\" is not known: write auto, text or json\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      stale: acept\n"
     "      unmatched: keep\n"
     "      signed_body: canonical\n",
     "t:5:14: serve.endpoints[0].stale: \"acept\" is not known: write accept, retry or reject\n"
     "t:6:18: serve.endpoints[0].unmatched: \"keep\" is not known: write reject, retry or pen\n"
     "t:7:20: serve.endpoints[0].signed_body: \"canonical\" is not known: write raw or "
     "raw_or_canonical\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      accounts: [4711, \"a b\"]\n",
     "t:5:24: serve.endpoints[0].accounts[1]: \"a b\" should be 1 to 255 printable ASCII "
     "characters without blanks\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      accounts: [4711, 4712, 4711]\n",
     "t:5:30: serve.endpoints[0].accounts[2]: \"4711\" is given twice, first in line 5, column "
     "18\n"},
    /* Names, paths, addresses. */
    {CONFIG_FOR_LEDGER,
     "services: [{name: CRM, url: http://a}, {name: a_b, url: http://a}, {url: http://a}]\n",
     "t:1:19: services[0].name: \"CRM\" is not a name: 1 to 32 characters of a-z, 0-9 and - are\n"
     "t:1:47: services[1].name: \"a_b\" is not a name: 1 to 32 characters of a-z, 0-9 and - are\n"
     "t:1:68: services[2].name: is missing\n"},
    {CONFIG_FOR_LEDGER, "services: [{name: abcdefghijklmnopqrstuvwxyz0123456, url: http://a}]\n",
     "t:1:19: services[0].name: \"abcdefghijklmnopqrstuvwxyz0123456\" is not a name: 1 to 32 "
     "characters of a-z, 0-9 and - are\n"},
    {CONFIG_FOR_LEDGER,
     "serve: {endpoints: [{name: a, path: hooks}, {name: b, path: /healthz}, {name: c, path: "
     "/a?b}]}\n",
     "t:1:37: serve.endpoints[0].path: \"hooks\" should begin with \"/\"\n"
     "t:1:61: serve.endpoints[1].path: \"/healthz\" is taken: every listener answers it to load "
     "balancers\n"
     "t:1:88: serve.endpoints[2].path: \"/a?b\" should be printable ASCII without blanks, \"?\" "
     "and \"#\"\n"},
    {CONFIG_FOR_LEDGER, "serve: {endpoints: [{name: a}, {path: /b}]}\n",
     "t:1:21: serve.endpoints[0].path: is missing\n"
     "t:1:32: serve.endpoints[1].name: is missing\n"},
    {CONFIG_FOR_LEDGER, "redis: {prefix: \"a*\", user: \"a b\"}\n",
     "t:1:17: redis.prefix: \"a*\" should be 1 to 64 characters of a-z, A-Z, 0-9 and -_.:{}\n"
     "t:1:29: redis.user: \"a b\" should be 1 to 255 printable ASCII characters without blanks\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  listen:\n"
     "    - address: 8443\n"
     "    - address: \"127.0.0.256:80\"\n"
     "    - address: \"[::g]:80\"\n"
     "    - address: \"::1:80\"\n"
     "    - address: \"a:65536\"\n"
     "    - address: \"*:80\"\n"
     "    - address: \"[::1]\"\n"
     "    - address: \"[::1:80\"\n",
     "t:3:16: serve.listen[0].address: \"8443\" is not an address: write IPv4:PORT, [IPv6]:PORT or "
     "NAME:PORT, with a port from 0 to 65535\n"
     "t:4:16: serve.listen[1].address: \"127.0.0.256:80\" is not an address: write IPv4:PORT, "
     "[IPv6]:PORT or NAME:PORT, with a port from 0 to 65535\n"
     "t:5:16: serve.listen[2].address: \"[::g]:80\" is not an address: write IPv4:PORT, "
     "[IPv6]:PORT or NAME:PORT, with a port from 0 to 65535\n"
     "t:6:16: serve.listen[3].address: \"::1:80\" is not an address: write IPv4:PORT, [IPv6]:PORT "
     "or NAME:PORT, with a port from 0 to 65535\n"
     "t:7:16: serve.listen[4].address: \"a:65536\" is not an address: write IPv4:PORT, [IPv6]:PORT "
     "or NAME:PORT, with a port from 0 to 65535\n"
     "t:8:16: serve.listen[5].address: \"*:80\" is not an address: write IPv4:PORT, [IPv6]:PORT or "
     "NAME:PORT, with a port from 0 to 65535\n"
     "t:9:16: serve.listen[6].address: \"[::1]\" is not an address: write IPv4:PORT, [IPv6]:PORT "
     "or NAME:PORT, with a port from 0 to 65535\n"
     "t:10:16: serve.listen[7].address: \"[::1:80\" is not an address: write IPv4:PORT, "
     "[IPv6]:PORT or NAME:PORT, with a port from 0 to 65535\n"},
    {CONFIG_FOR_LEDGER,
     "serve: {admin: localhost}\n"
     "forward: {admin: \":9465\"}\n",
     "t:1:16: serve.admin: \"localhost\" is not an address: write IPv4:PORT, [IPv6]:PORT or "
     "NAME:PORT, with a port from 0 to 65535\n"
     "t:2:18: forward.admin: \":9465\" is not an address: write IPv4:PORT, [IPv6]:PORT or "
     "NAME:PORT, with a port from 0 to 65535\n"},
    /* URLs. */
    {CONFIG_FOR_LEDGER, "redis: {url: localhost}\n",
     "t:1:14: redis.url: not a URL: write redis://HOST:PORT/DB, rediss:// or unix:///PATH\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"http://a\"}\n",
     "t:1:14: redis.url: \"http\" is none of redis://, rediss:// and unix://\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis+cluster://a:1,b:2\"}\n",
     "t:1:14: redis.url: \"redis+cluster\" is not supported: redis://, rediss:// and unix:// "
     "are\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis-sentinel://a:1\"}\n",
     "t:1:14: redis.url: \"redis-sentinel\" is not supported: redis://, rediss:// and unix:// "
     "are\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis://:hunter2@a:6379/0\"}\n",
     "t:1:14: redis.url: user and password do not belong into the URL: name the user in redis.user "
     "and the password's file in redis.password_file\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis://a:0\"}\n",
     "t:1:14: redis.url: \"a:0\" is not a host: write redis://HOST:PORT/DB\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis:///0\"}\n",
     "t:1:14: redis.url: \"\" is not a host: write redis://HOST:PORT/DB\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"rediss://a/x\"}\n",
     "t:1:14: redis.url: \"x\" is not a database: write its number, as in redis://HOST:PORT/0 or "
     "unix:///PATH?db=0\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"unix://run/redis.sock\"}\n",
     "t:1:14: redis.url: unix:// wants the absolute path of a socket, of 107 bytes at most: "
     "unix:///PATH\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"unix:///run/redis.sock?x=1\"}\n",
     "t:1:14: redis.url: \"x=1\" stands behind the \"?\", where only db=NUMBER may\n"},
    {CONFIG_FOR_LEDGER, "redis: {url: \"redis://a/\"}\n",
     "t:1:14: redis.url: \"\" is not a database: write its number, as in redis://HOST:PORT/0 or "
     "unix:///PATH?db=0\n"},
    {CONFIG_FOR_LEDGER,
     "redis: {url: "
     "\"unix:///"
     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
     "xxxxxxxxxxxxxx\"}\n",
     "t:1:14: redis.url: unix:// wants the absolute path of a socket, of 107 bytes at most: "
     "unix:///PATH\n"},
    {CONFIG_FOR_LEDGER,
     "services: [{name: a, url: crm}, {name: b, url: \"ftp://b\"}, {name: c, url: "
     "\"http://u:p@c/\"}, {name: d, url: \"http:///x\"}]\n",
     "t:1:27: services[0].url: not a URL: write http://HOST/PATH, https://HOST/PATH or "
     "http+unix:///SOCKET:/TARGET, without blanks\n"
     "t:1:48: services[1].url: \"ftp\" is none of http://, https:// and http+unix://\n"
     "t:1:75: services[2].url: user and password do not belong into the URL: name a file with the "
     "Authorization header in header_files\n"
     "t:1:108: services[3].url: \"\" is not a host: write http://HOST/PATH or "
     "http://HOST:PORT/PATH\n"},
    {CONFIG_FOR_LEDGER,
     "services: [{name: a, url: \"http://a/#x\"}, {name: b, url: \"http://b/a b\"}, {name: c, url: "
     "\"https://c:99999/\"}]\n",
     "t:1:27: services[0].url: a URL to send to has no \"#\"\n"
     "t:1:58: services[1].url: not a URL: write http://HOST/PATH, https://HOST/PATH or "
     "http+unix:///SOCKET:/TARGET, without blanks\n"
     "t:1:90: services[2].url: \"c:99999\" is not a host: write http://HOST/PATH or "
     "http://HOST:PORT/PATH\n"},
    {CONFIG_FOR_LEDGER,
     "services: [{name: a, url: \"http+unix://run/a\"}, {name: b, url: "
     "\"http+unix:///run/a:x\"}]\n",
     "t:1:27: services[0].url: http+unix:// wants a socket's absolute path, of 107 bytes at most, "
     "and a target: http+unix:///SOCKET:/TARGET\n"
     "t:1:64: services[1].url: http+unix:// wants a socket's absolute path, of 107 bytes at most, "
     "and a target: http+unix:///SOCKET:/TARGET\n"},
    /* Headers. */
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    headers: {Content-Type: a, x-kula-event: b, HOST: c, Webhook-Id: d, \"Kula-Relay-\": "
     "e}\n",
     "t:4:15: services[0].headers: \"Content-Type\" is a header that kula-relay sets itself\n"
     "t:4:32: services[0].headers: \"x-kula-event\" is a header that kula-relay sets itself\n"
     "t:4:49: services[0].headers: \"HOST\" is a header that kula-relay sets itself\n"
     "t:4:58: services[0].headers: \"Webhook-Id\" is a header that kula-relay sets itself\n"
     "t:4:73: services[0].headers: \"Kula-Relay-\" is a header that kula-relay sets itself\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    headers: {\"X A\": b, \"X:\": c}\n",
     "t:4:15: services[0].headers: \"X A\" is not the name of a header\n"
     "t:4:25: services[0].headers: \"X:\" is not the name of a header\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    headers: {X-A: \"a\\r\\nX-B: c\", X-C: ~}\n",
     "t:4:20: services[0].headers.X-A: holds a line break or another control character\n"
     "t:4:35: services[0].headers.X-C: is empty: write a single value, or leave it out\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    headers: {X-A: b, x-a: c}\n"
     "    header_files: {X-a: secret}\n",
     "t:4:23: services[0].headers: the header \"X-A\" is given twice\n"
     "t:5:20: services[0].header_files: the header \"X-A\" is given twice\n"},
    /* Between values. */
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - {name: a, url: http://a}\n"
     "  - {name: b, url: http://b}\n"
     "  - {name: a, url: http://c}\n",
     "t:4:6: services[2].name: \"a\" is taken by services[0], in line 2, column 6\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - {name: k, path: /k}\n"
     "    - {name: k, path: /k}\n",
     "t:4:8: serve.endpoints[1].name: \"k\" is taken by serve.endpoints[0], in line 3, column 8\n"
     "t:4:17: serve.endpoints[1].path: \"/k\" is taken by serve.endpoints[0], in line 3, column "
     "17\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  listen:\n"
     "    - {address: \"a:1\", certificate: cert}\n"
     "    - {address: \"a:2\", private_key: key}\n",
     "t:3:24: serve.listen[0].certificate: needs private_key beside it\n"
     "t:4:24: serve.listen[1].private_key: needs certificate beside it\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  listen:\n"
     "    - {address: \"a:1\"}\n"
     "    - {address: \"a:2\"}\n"
     "    - {address: \"a:1\"}\n"
     "  admin: a:2\n",
     "t:5:8: serve.listen[2].address: \"a:1\" is taken by serve.listen[0], in line 3, column 8\n"
     "t:6:3: serve.admin: \"a:2\" is taken by serve.listen[1], in line 4, column 8\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  listen: [{address: \"a:0\"}, {address: \"a:0\"}, {address: \"b:1\"}]\n"
     "  admin: a:0\n"
     "forward: {admin: \"b:1\"}\n",
     ""},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    client_key: key\n",
     "t:4:5: services[0].client_key: needs client_certificate beside it\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "services: [{name: a, url: http://a, endpoints: [k, other]}]\n",
     "t:5:52: services[0].endpoints[1]: there is no endpoint \"other\" in serve.endpoints\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [a.*, b, \"!a.*\", b]\n",
     "t:4:14: services[0].events[0]: \"a.*\" takes nothing, for \"!a.*\" excludes it\n"
     "t:4:30: services[0].events[3]: \"b\" is given twice, first in line 4, column 19\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [a.b, a.c, \"!a.*\", \"!*.c\", c.d]\n",
     "t:4:14: services[0].events[0]: \"a.b\" takes nothing, for \"!a.*\" excludes it\n"
     "t:4:19: services[0].events[1]: \"a.c\" takes nothing, for \"!a.*\" excludes it\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [\"!*\"]\n",
     "t:4:14: services[0].events[0]: \"!*\" excludes everything\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [\"a..b\", \"a*\", \"a!\", \"a b\"]\n",
     "t:4:14: services[0].events[0]: \"a..b\" has an empty segment\n"
     "t:4:22: services[0].events[1]: \"*\" stands for whole segments only, so not in \"a*\"\n"
     "t:4:28: services[0].events[2]: a pattern is made of printable ASCII without blanks, dots "
     "between its segments and at most one \"!\" in front\n"
     "t:4:34: services[0].events[3]: a pattern is made of printable ASCII without blanks, dots "
     "between its segments and at most one \"!\" in front\n"},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    retry: {most: 500ms}\n",
     "t:4:5: services[0].retry.first: is longer than retry.most\n"},
    {CONFIG_FOR_LEDGER,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      tolerance: 1h\n"
     "  dedup_window: 90m\n",
     "t:5:7: serve.endpoints[0].tolerance: is more than half of serve.dedup_window: a delivery "
     "could be repeated after it was forgotten\n"},
    {CONFIG_FOR_LEDGER, "serve: {body_limit: 2MiB, bytes_in_flight: 1MiB}\n",
     "t:1:27: serve.bytes_in_flight: is less than serve.body_limit: the longest body would never "
     "be taken\n"},
    {CONFIG_FOR_LEDGER, "serve: {body_limit: 64MiB, spool: {max_size: 100MiB}}\n",
     "t:1:36: serve.spool.max_size: is less than twice serve.body_limit: the longest body would "
     "hardly ever find room\n"},
    /* The spool's folder. */
    {CONFIG_FOR_SERVE, SERVE "  spool: {keep: 1m}\n", "t:4:3: " NO_FOLDER},
    {CONFIG_FOR_SERVE, SERVE "  durability: spool\n", "t:1:1: " NO_FOLDER},
    {CONFIG_FOR_SERVE, SERVE "  spool: {directory: }\n",
     "t:4:11: serve.spool.directory: is empty: write a single value, or leave it out\n"},
    {CONFIG_FOR_SERVE, SERVE "  spool: {directory: secret}\n",
     "t:4:11: serve.spool.directory: cannot write into the folder secret: Not a directory\n"},
    {CONFIG_FOR_SERVE, SERVE "  spool: {directory: missing/spool/}\n",
     "t:4:11: serve.spool.directory: cannot make the folder missing/spool/: No such file or "
     "directory\n"},
    {CONFIG_FOR_SEND, SERVE "  spool: {directory: missing/spool}\n", ""},
    {CONFIG_FOR_SPOOL, "serve: {spool: {directory: missing/spool}}\n", ""},
    {CONFIG_FOR_ALL, SERVE "  spool: {directory: made/}\n", ""},
    {CONFIG_FOR_SERVE, SERVE "  spool: {directory: .}\n", ""},
    {CONFIG_FOR_SERVE, SERVE "  durability: ledger\n", ""},
    {CONFIG_FOR_SEND, SERVE, ""},
    {CONFIG_FOR_SEND, "serve: {endpoints: [{name: k, path: /k, secret_dir: missing}]}\n",
     "t:1:21: serve.endpoints[0].secret_files: is missing: without a secret no delivery can be "
     "verified, and secret_dir has no file (KULA_WEBHOOK_SECRET_FILE may name it too)\n"
     "t:1:41: serve.endpoints[0].secret_dir: cannot read the folder missing: No such file or "
     "directory\n"},
    {CONFIG_FOR_LEDGER, "serve: {endpoints: [{name: k, path: /k, secret_dir: missing}]}\n", ""},
    /* Kula's API. */
    {CONFIG_FOR_KULA, SERVE,
     "t:1:1: kula.token_file: is missing: make a key of the type Application API at Kula, under "
     "Settings > API Management, put it into a file that only you can read, and name the file here "
     "(KULA_API_TOKEN_FILE may name it too)\n"},
    {CONFIG_FOR_SERVE, SERVE "  durability: ledger\nkula: {token_file: missing}\n", ""},
    {CONFIG_FOR_KULA, "kula: {token_file: missing}\n",
     "t:1:8: kula.token_file: cannot read the secret file missing: No such file or directory; "
     "create it, or name the right file\n"},
    {CONFIG_FOR_KULA, "kula: {token_file: secret}\n",
     "t:1:8: kula.token_file: the file secret can be read by everybody on this machine: chmod o-r "
     "secret\n"},
    {CONFIG_FOR_KULA, "kula: {token_file: twolines}\n",
     "t:1:8: kula.token_file: what is in twolines holds a line break or another control character, "
     "which no header may\n"},
    {CONFIG_FOR_LEDGER, "kula: {api: \"http://api.kula.ai/v1\"}\n",
     "t:1:13: kula.api: \"http://api.kula.ai/v1\" is not for a token, which must not go over a net "
     "unencrypted: write https://HOST/PATH\n"},
    {CONFIG_FOR_LEDGER, "kula: {api: \"http://localhost.evil.example/\"}\n",
     "t:1:13: kula.api: \"http://localhost.evil.example/\" is not for a token, which must not go "
     "over a net unencrypted: write https://HOST/PATH\n"},
    {CONFIG_FOR_LEDGER, "kula: {api: \"http://127.0.0.1:80@evil.example/\"}\n",
     "t:1:13: kula.api: user and password do not belong into the URL: the token's file is named in "
     "kula.token_file\n"},
    {CONFIG_FOR_LEDGER, "kula: {api: \"https://a/v1?x\"}\n",
     "t:1:13: kula.api: paths are put behind it, so it has no \"?\"\n"},
    {CONFIG_FOR_LEDGER, "kula: {api: \"http://[::1]:8090/v1\"}\n", ""},
    {CONFIG_FOR_LEDGER, "kula: {webhooks: [{endpoint: K, url: \"http://a/\", events: [\"a*\"]}]}\n",
     "t:1:30: kula.webhooks[0].endpoint: \"K\" is not a name: 1 to 32 characters of a-z, 0-9 and - "
     "are\n"
     "t:1:38: kula.webhooks[0].url: \"http://a/\" is not for Kula, which delivers to https:// "
     "only: "
     "write https://HOST/PATH, without blanks\n"
     "t:1:60: kula.webhooks[0].events[0]: \"*\" stands for whole segments only, so not in "
     "\"a*\"\n"},
    {CONFIG_FOR_LEDGER,
     SERVE "kula:\n"
           "  webhooks:\n"
           "    - {endpoint: k, url: \"https://a/\"}\n"
           "    - {endpoint: other, url: \"https://a/\"}\n",
     "t:7:8: kula.webhooks[1].endpoint: there is no endpoint \"other\" in serve.endpoints\n"
     "t:7:25: kula.webhooks[1].url: \"https://a/\" is taken by kula.webhooks[0], in line 6, column "
     "21\n"},
    {CONFIG_FOR_LEDGER,
     "kula:\n"
     "  webhooks:\n"
     "    - {endpoint: k, url: \"https://a/\", id: wh_1, events: [\"!*\"]}\n"
     "    - {endpoint: k, url: \"https://b/\", id: wh_2, events: [a.*, \"!a.*\", b]}\n"
     "    - {endpoint: k, url: \"https://c/\", events: [a.b, \"!a.c\"]}\n"
     "    - {endpoint: k, url: \"https://d/\", id: wh_1}\n",
     "t:3:59: kula.webhooks[0].events[0]: \"!*\" excludes everything\n"
     "t:4:59: kula.webhooks[1].events[0]: \"a.*\" takes nothing, for \"!a.*\" excludes it\n"
     "t:6:40: kula.webhooks[3].id: \"wh_1\" is taken by kula.webhooks[0], in line 3, column 40\n"},
    /* Files. */
    {CONFIG_FOR_LEDGER,
     "redis:\n"
     "  password_file: missing\n",
     "t:2:3: redis.password_file: cannot read the secret file missing: No such file or directory; "
     "create it, or name the right file\n"},
    {CONFIG_FOR_FORWARD,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "redis: {password_file: empty, ca_file: missing}\n",
     "t:4:9: redis.password_file: the secret file empty is empty; put the secret into it\n"
     "t:4:31: redis.ca_file: cannot read the file missing: No such file or directory\n"},
    {CONFIG_FOR_FORWARD,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    header_files:\n"
     "      Authorization: missing\n"
     "      X-A: twolines\n",
     "t:5:7: services[0].header_files.Authorization: cannot read the secret file missing: No such "
     "file or directory; create it, or name the right file\n"
     "t:6:7: services[0].header_files.X-A: what is in twolines holds a line break or another "
     "control character, which no header may\n"},
    {CONFIG_FOR_FORWARD,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    ca_file: missing\n"
     "    client_certificate: .\n"
     "    client_key: empty\n",
     "t:4:5: services[0].ca_file: cannot read the file missing: No such file or directory\n"
     "t:5:5: services[0].client_certificate: cannot read the file .: Is a directory\n"
     "t:6:5: services[0].client_key: the file empty is empty\n"},
    {CONFIG_FOR_FORWARD,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    ca_file: huge\n",
     "t:4:5: services[0].ca_file: the file huge is over 1 MiB; it should hold certificates or a "
     "key only\n"},
    {CONFIG_FOR_SERVE,
     "serve:\n"
     "  listen: [{address: \"a:1\", certificate: missing, private_key: key}]\n"
     "  endpoints: [{name: k, path: /k, secret_files: [secret, missing]}]\n",
     "t:1:1: " NO_FOLDER
     "t:2:29: serve.listen[0].certificate: cannot read the file missing: No such file or "
     "directory\n"
     "t:3:58: serve.endpoints[0].secret_files[1]: cannot read the secret file missing: No such "
     "file or directory; create it, or name the right file\n"},
    {CONFIG_FOR_ALL,
     "redis: {password_file: missing}\n"
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      secret_files: [missing]\n"
     "  listen: [{address: \"a:1\", certificate: missing, private_key: missing}]\n"
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    header_files: {X-A: missing}\n"
     "    ca_file: missing\n",
     "t:1:9: redis.password_file: cannot read the secret file missing: No such file or directory; "
     "create it, or name the right file\n"
     "t:2:1: " NO_FOLDER
     "t:6:22: serve.endpoints[0].secret_files[0]: cannot read the secret file missing: No such "
     "file or directory; create it, or name the right file\n"
     "t:7:29: serve.listen[0].certificate: cannot read the file missing: No such file or "
     "directory\n"
     "t:7:51: serve.listen[0].private_key: cannot read the file missing: No such file or "
     "directory\n"
     "t:11:20: services[0].header_files.X-A: cannot read the secret file missing: No such file or "
     "directory; create it, or name the right file\n"
     "t:12:5: services[0].ca_file: cannot read the file missing: No such file or directory\n"},
    /* What a command needs. */
    {CONFIG_FOR_SERVE,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n",
     "t:1:1: serve.endpoints: an endpoint is needed here\n"
     "t:1:1: serve.listen: a listener is needed here\n"
     "t:1:1: " NO_FOLDER},
    {CONFIG_FOR_SERVE,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n",
     "t:1:1: serve.listen: a listener is needed here\n"
     "t:1:1: " NO_FOLDER
     "t:3:7: serve.endpoints[0].secret_files: is missing: without a secret no delivery can be "
     "verified (KULA_WEBHOOK_SECRET_FILE may name it too)\n"},
    {CONFIG_FOR_SERVE,
     "serve:\n"
     "  listen: []\n"
     "  endpoints: []\n",
     "t:1:1: " NO_FOLDER "t:2:3: serve.listen: a listener is needed here\n"
     "t:3:3: serve.endpoints: an endpoint is needed here\n"},
    {CONFIG_FOR_ALL,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "      secret_files: []\n",
     "t:1:1: serve.listen: a listener is needed here\n"
     "t:1:1: " NO_FOLDER
     "t:5:21: serve.endpoints[0].secret_files: is an empty list: put something into it, or leave "
     "it out\n"},
    {CONFIG_FOR_FORWARD,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n",
     "t:1:1: services: a service is needed here\n"},
    {CONFIG_FOR_FORWARD, "services: []\n", "t:1:1: services: a service is needed here\n"},
    {CONFIG_FOR_SEND,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n",
     "t:1:1: serve.endpoints: an endpoint is needed here\n"},
    {CONFIG_FOR_SEND,
     "serve:\n"
     "  endpoints:\n"
     "    - name: k\n"
     "      path: /k\n"
     "    - name: l\n"
     "      path: /l\n",
     "t:3:7: serve.endpoints[0].secret_files: is missing: without a secret no delivery can be "
     "verified\n"
     "t:5:7: serve.endpoints[1].secret_files: is missing: without a secret no delivery can be "
     "verified\n"},
    /* Fine. */
    {CONFIG_FOR_ALL,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n",
     ""},
    {CONFIG_FOR_LEDGER,
     "\xef"
     "\xbb"
     "\xbf"
     "log: {level: debug} # with a byte order mark\n",
     ""},
    {CONFIG_FOR_LEDGER,
     "services:\n"
     "  - name: a\n"
     "    url: http://a/\n"
     "    events: [\"!a.*\", \"b.c\", \"*\", \"*.c\"]\n"
     "    endpoints: [k, l]\n",
     ""},
    {CONFIG_FOR_LEDGER, "redis: {url: \"rediss://[::1]:6380/2\"}\n", ""},
    {CONFIG_FOR_LEDGER, "redis: {url: \"unix:///run/redis.sock?db=1\", prefix: \"{kula}\"}\n", ""},
    {CONFIG_FOR_LEDGER,
     "services: [{name: a, url: \"http+unix:///run/a:/b\"}, {name: b, url: "
     "\"https://b.example:8443?x=1\"}]\n",
     ""},
    {CONFIG_FOR_LEDGER,
     "serve: {admin: \"[::1]:0\"}\n"
     "forward: {admin: \"a-b.example:9465\"}\n",
     ""},
    /* Many at once, in the order of the file. */
    {CONFIG_FOR_FORWARD,
     "log: {level: loud}\n"
     "services:\n"
     "  - name: A\n"
     "    url: crm\n"
     "    timout: 5s\n"
     "    concurrency: none\n"
     "  - name: b\n"
     "forward:\n"
     "  admin: 1\n"
     "redis:\n"
     "  url: x\n"
     "  password_file: missing\n"
     "log: {}\n",
     "t:1:14: log.level: \"loud\" is not known: write debug, info, warning or error\n"
     "t:3:11: services[0].name: \"A\" is not a name: 1 to 32 characters of a-z, 0-9 and - are\n"
     "t:4:10: services[0].url: not a URL: write http://HOST/PATH, https://HOST/PATH or "
     "http+unix:///SOCKET:/TARGET, without blanks\n"
     "t:5:5: services[0]: unknown key \"timout\"; did you mean \"timeout\"?\n"
     "t:6:18: services[0].concurrency: \"none\" is not a whole number\n"
     "t:7:5: services[1].url: is missing\n"
     "t:9:10: forward.admin: \"1\" is not an address: write IPv4:PORT, [IPv6]:PORT or NAME:PORT, "
     "with a port from 0 to 65535\n"
     "t:11:8: redis.url: not a URL: write redis://HOST:PORT/DB, rediss:// or unix:///PATH\n"
     "t:12:3: redis.password_file: cannot read the secret file missing: No such file or directory; "
     "create it, or name the right file\n"
     "t:13:1: \"log\" is given twice, first in line 1, column 1\n"},
    /* Signing. */
    {CONFIG_FOR_FORWARD, SERVICE "sign: {scheme: kula, secret_files: [secret, key]}}\n", ""},
    {CONFIG_FOR_FORWARD, SERVICE "sign: {scheme: none}}\n", ""},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {scheme: standard-webhooks, secret_files: [secret]}}\n", ""},
    {CONFIG_FOR_FORWARD, SERVICE "sign: {scheme: standard-webhooks, secret_files: [secret]}}\n",
     "t:2:81: services[0].sign.secret_files[0]: what is in secret " NO_KEY},
    {CONFIG_FOR_ALL, SERVICE "sign: {scheme: kula, secret_files: [secret, missing, empty]}}\n",
     "t:2:76: services[0].sign.secret_files[1]: cannot read the secret file missing: No such file "
     "or directory; create it, or name the right file\n"
     "t:2:85: services[0].sign.secret_files[2]: the secret file empty is empty; put the secret "
     "into "
     "it\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {scheme: kula}}\n",
     "t:2:32: services[0].sign.secret_files: is missing: nothing can be signed without a secret\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {scheme: kula, secret_files: []}}\n",
     "t:2:67: services[0].sign.secret_files: is an empty list: put something into it, or leave it "
     "out\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {secret_files: [secret]}}\n",
     "t:2:39: services[0].sign.secret_files: needs sign.scheme beside it: kula or "
     "standard-webhooks; nothing is signed without\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {scheme: stripe, secret_files: [secret]}}\n",
     "t:2:47: services[0].sign.scheme: \"stripe\" is not known: write none, kula or "
     "standard-webhooks\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: {scheme: kula, secret_file: secret}}\n",
     "t:2:32: services[0].sign.secret_files: is missing: nothing can be signed without a secret\n"
     "t:2:53: services[0].sign: unknown key \"secret_file\"; did you mean \"secret_files\"?\n"},
    {CONFIG_FOR_LEDGER, SERVICE "sign: kula}\n",
     "t:2:38: services[0].sign: should be a map, and is a single value\n"},
    {CONFIG_FOR_LEDGER, SERVICE "link_local: true}\n",
     "t:2:44: services[0].link_local: \"true\" is not known: write refuse or allow\n"},
};

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static const char *const files[] = {"secret", "empty", "twolines", "cert", "key", "huge", NULL};

static int set_up(void **state) {
    (void)state;
    unsetenv("KULA_RELAY_REDIS_URL");
    unsetenv("KULA_WEBHOOK_SECRET_FILE");
    unsetenv("KULA_API_TOKEN_FILE");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    for (const char *const *name = files; *name; name++)
        scratch_write(*name, "something\n");
    scratch_write("empty", "");
    scratch_write("twolines", "one\ntwo\n");
    assert_int_equal(truncate("huge", (1 << 20) + 1), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return chdir("/") || !scratch_remove(folder);
}

static void test_every_problem_is_told_with_its_place(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string problems = {0};
        struct config *config =
            config_parse(text_of(cases[i].yaml), "t", cases[i].needs, &problems);
        string_add_of(&problems, ""); /* so that there is something to compare */
        if (!text_is(string_text(&problems), cases[i].problems))
            print_error("case %zu:\n%s\n", i, cases[i].yaml);
        assert_string_equal(problems.data, cases[i].problems);
        assert_int_equal(config != NULL, problems.size == 0);
        config_destroy(config);
        string_finish(&problems);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_problem_is_told_with_its_place),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
