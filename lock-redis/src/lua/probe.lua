-- Uses every command that the scripts use, and leaves everything as it was: for `talkstick doctor`.
--
-- ARGV: this client's channel. Gives 1; a right that is missing is the server's error.
redis.call('HSET', LOCK, 'probe', '1')
redis.call('HINCRBY', LOCK, 'probe', 1)
redis.call('HGET', LOCK, 'probe')
redis.call('HMGET', LOCK, 'probe')
redis.call('HEXISTS', LOCK, 'probe')
redis.call('HDEL', LOCK, 'probe')
redis.call('ZADD', GONE, 0, 'probe')
redis.call('ZINCRBY', GONE, 1, 'probe')
redis.call('ZSCORE', GONE, 'probe')
redis.call('ZCARD', GONE)
redis.call('ZRANGE', GONE, 0, 0)
redis.call('ZRANGEBYSCORE', GONE, 0, 0)
redis.call('ZRANGEBYLEX', GONE, '[probe', '[probe')
redis.call('ZLEXCOUNT', GONE, '-', '+')
redis.call('ZREMRANGEBYSCORE', GONE, '-inf', '-1')
redis.call('ZREM', GONE, 'probe')
redis.call('PUBLISH', ARGV[1], '')
return 1
