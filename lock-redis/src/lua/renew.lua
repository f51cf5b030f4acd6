-- Confirms that a lease is held, and gives it a new end. It never revives one that has ended.
--
-- ARGV: request, token, ttl in ms. Gives 'held', 'broken', 'ended' (it is the last one, but its time is over),
-- 'replaced' (another request has it, or nobody), or 'gone' (the store knows nothing of the key: its data was lost).
local held = recorded()
if not held or held.request ~= ARGV[1] or held.token ~= ARGV[2] then
  return redis.call('HEXISTS', LOCK, 'token_last') == 1 and 'replaced' or 'gone'
end
listen()
if held.broken then
  return 'broken'
end
if held.ends <= NOW then
  return 'ended'
end
redis.call('HSET', LOCK, 'ends', text(NOW + tonumber(ARGV[3])), 'ttl', ARGV[3])
return 'held'
