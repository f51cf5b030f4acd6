-- Asks for the lock: the lease if it is free and nobody goes first, else a place in line. The same request may come again
-- after a lost answer and is answered as it stands now.
--
-- ARGV: request, class, ttl in ms, floor, secret hash, owner, channel to be woken on, number to come back with or '',
--       longest line, '1' when an earlier copy of this very request may come yet, else ''.
-- Gives { 'granted', token, number }, { 'broken', token } for a lease that was broken before its request knew of it,
--       { 'queued', number, ahead, ms until the holder's end or -1 }, { 'full', how many wait }, or { 'withdrawn' } for a
--       request that was over before it came.
local request, ttl, copies = ARGV[1], ARGV[3], ARGV[10] == '1' and '1' or nil
if redis.call('HEXISTS', WAITERS, request) == 1 then
  redis.call('ZADD', HEARD, text(NOW), request)
end
local held = settle()
if held and held.request == request then
  if copies then
    redis.call('HSET', LOCK, 'copies', copies)
  end
  return take(held)
end
local known = redis.call('HGET', WAITERS, request)
if known then
  known = cjson.decode(known)
  if copies and not known.copies then
    known.copies = copies
    redis.call('HSET', WAITERS, request, cjson.encode(known))
  end
  return standings(held)(known.class, tonumber(known.number), request)
end
if redis.call('ZSCORE', GONE, request) then
  return { 'withdrawn' }
end
if held and redis.call('ZCARD', LINE) >= tonumber(ARGV[9]) then
  bury()
  local waiting = redis.call('ZCARD', LINE)
  if waiting >= tonumber(ARGV[9]) then
    return { 'full', text(waiting) }
  end
end
-- Numbers are at least the clock: they go on where they were when the store has lost its data.
local next = math.max((tonumber(redis.call('HGET', LOCK, 'number_last') or '0')) + 1, NOW_US)
local number = number_of(ARGV[8], next, held and tonumber(held.number))
if number == next then
  redis.call('HSET', LOCK, 'number_last', text(next))
end
local class = tonumber(ARGV[2])
local asked = { class = class, number = text(number), ttl = ttl, floor = ARGV[4], secret = ARGV[5], owner = ARGV[6],
  wake = ARGV[7], since = text(NOW_US), copies = copies }
if not held then
  return { 'granted', grant(request, asked, false), asked.number }
end
redis.call('ZADD', LINE, 0, member(class, number, request))
redis.call('HSET', WAITERS, request, cjson.encode(asked))
redis.call('ZADD', HEARD, text(NOW), request)
return standings(held)(class, number, request)
