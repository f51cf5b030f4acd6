-- Leaves the line; a lease that was granted to the request meanwhile is released. A request that is not known may still be
-- on its way, and is refused when it comes.
--
-- ARGV: request. Gives 'released', 'left' or 'unknown'.
local request = ARGV[1]
local held = recorded()
if held and held.request == request then
  clear()
  settle()
  return 'released'
end
if leave(request) then
  return 'left'
end
-- Longer than any client tries to deliver one request.
redis.call('ZREMRANGEBYSCORE', GONE, '-inf', text(NOW - 60000))
redis.call('ZADD', GONE, text(NOW), request)
return 'unknown'
