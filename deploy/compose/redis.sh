#!/bin/sh
# Starts Redis or Valkey, whichever the image has, with the users of redis.acl and their passwords.
set -eu
acl=/tmp/users.acl
umask 077
sed -e '/^#/d' -e '/^$/d' /etc/redis/redis.acl >$acl
for user in serve forward watch operator; do
    # As kula-relay reads it: without the newline at its end.
    hash=$(printf %s "$(cat /run/secrets/redis_$user)" | sha256sum | cut -d ' ' -f 1)
    sed -i "s/<redis_$user>/$hash/" $acl
done
exec "$(command -v valkey-server || command -v redis-server)" /etc/redis/redis.conf --aclfile $acl
