-- One server of a quorum: makes the request its holder, under the token that was chosen of what a majority has proposed; or
-- gives the server a lease that it has missed. A vote for another request gives way. A lease that was held so does not, and
-- neither does anything that came after this one: what is held here under different requests has ever higher tokens.
--
-- ARGV: request, token, ttl in ms, number, owner, secret hash, '1' when a majority has it already: then a lease under a lower
-- token is not held by anybody else, and is what this server had when it went away. One more key behind those of the lock: SERVER.
-- Gives { 'held', for how many ms this server has kept locks }, { 'taken' } (a lease of another request is here, or a later one
-- was, or this one is broken), or { 'over' } (it was given back before).
local SERVER = KEYS[8] -- hash: since when this server has kept the locks of a quorum; it begins anew when it has lost its data

local function higher(a, b)
  return a ~= b and greater(a, b) == a
end

local born = redis.call('HGET', SERVER, 'born')
if not born or tonumber(born) > NOW then
  born = text(NOW)
  redis.call('HSET', SERVER, 'born', born)
end
local request, token, ttl = ARGV[1], ARGV[2], ARGV[3]
if not higher(token, redis.call('HGET', LOCK, 'given_back') or '0') or redis.call('ZSCORE', GONE, request) then
  return { 'over' }
end
local last = redis.call('HGET', LOCK, 'confirmed') or '0'
local by = redis.call('HGET', LOCK, 'confirmed_by')
if not higher(token, last) and not (token == last and by == request) then
  return { 'taken' }
end
local held = recorded()
if held and held.ends > NOW and held.request ~= request and held.token == last and ARGV[7] ~= '1' then
  return { 'taken' }
end
local own = held and held.request == request and held.token == token
-- It cannot be prolonged, so it does not count for as long as its holder would believe.
if own and held.broken then
  return { 'taken' }
end
if by ~= request then
  redis.call('HSET', LOCK, 'confirmed_was', last, 'confirmed_by_was', by or '')
end
local asked = leave(request)
local copies = asked and asked.copies or held and held.request == request and held.copies
if held and not own then
  clear()
end
redis.call('HSET', LOCK, 'request', request, 'token', token, 'number', ARGV[4], 'owner', ARGV[5], 'secret', ARGV[6],
  'since', own and held.since or text(NOW_US), 'ttl', ttl, 'confirmed', token, 'confirmed_by', request,
  'token_last', greater(redis.call('HGET', LOCK, 'token_last') or '0', token), 'ends', text(NOW + tonumber(ttl)))
redis.call('HDEL', LOCK, 'offered')
if copies then
  redis.call('HSET', LOCK, 'copies', copies)
end
return { 'held', text(NOW - tonumber(born)) }
