-- Asks for the lock: the lease if it is free and nobody goes first, else a place in line. The same request may come again
-- after a lost answer and is answered as it stands now; a waiter that brings a higher number, of another server, takes that one.
--
-- ARGV: request, class, ttl in ms, floor, secret hash, owner, channel to be woken on, number to come back with or '',
--       longest line, '1' when an earlier copy of this very request may come yet, else ''.
-- Gives { 'granted', token, number }, { 'broken', token } for a lease that was broken before its request knew of it,
--       { 'queued', number, ahead, ms until the holder's end or -1 }, { 'full', how many wait }, or { 'withdrawn' } for a
--       request that was over before it came.

-- Microseconds: numbers of another server, whose clock is set farther ahead, are not taken.
local CLOCKS_APART = 60000000
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
-- Numbers are at least the clock: they go on where they were when the store has lost its data. They are also above those that
-- requests bring, which another server may have issued.
local last = math.max(tonumber(redis.call('HGET', LOCK, 'number_last') or '0'), NOW_US - 1)
local wanted = tonumber(ARGV[8])
if wanted and not (wanted <= last or wanted - NOW_US < CLOCKS_APART) then
  wanted = nil
end
last = math.max(last, wanted or 0)
local function given(number)
  redis.call('HSET', LOCK, 'number_last', text(math.max(last, number)))
  return text(number)
end
local function stand(asked)
  redis.call('ZADD', LINE, 0, member(asked.class, tonumber(asked.number), request))
  redis.call('HSET', WAITERS, request, cjson.encode(asked))
  redis.call('ZADD', HEARD, text(NOW), request)
  return standings(held)(asked.class, tonumber(asked.number), request)
end
local known = redis.call('HGET', WAITERS, request)
if known then
  known = cjson.decode(known)
  known.copies = known.copies or copies
  if wanted and wanted > tonumber(known.number) then
    leave(request)
    -- Two may have one number then, and go by their requests.
    known.number = given(wanted)
  end
  return stand(known)
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
local number = given(number_of(wanted, last + 1, held and tonumber(held.number)))
local asked = { class = tonumber(ARGV[2]), number = number, ttl = ttl, floor = ARGV[4], secret = ARGV[5],
  owner = ARGV[6], wake = ARGV[7], since = text(NOW_US), copies = copies }
if not held then
  return { 'granted', grant(request, asked, false), asked.number }
end
return stand(asked)
