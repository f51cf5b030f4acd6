-- One server of a quorum: ends what the request has here, be it a vote or a lease, and hands the server's vote to the next live
-- waiter. When the request is over, a lease up to its token that is still on its way here comes too late. When it comes again,
-- nothing above the token is ended: it never holds under this one again, so this call harms nothing if it is what comes too late.
-- Idempotent.
--
-- ARGV: request, token of its lease or vote ('0': it has none, and is over), whether the request is over ('1') or comes again ('0').
-- Gives 1 if this call has ended something, else 0.
local request, token, over = ARGV[1], ARGV[2], ARGV[3] == '1'
if token ~= '0' and over then
  redis.call('HSET', LOCK, 'given_back', greater(redis.call('HGET', LOCK, 'given_back') or '0', token),
    'token_last', greater(redis.call('HGET', LOCK, 'token_last') or '0', token))
elseif not over and redis.call('HGET', LOCK, 'confirmed') == token
  and redis.call('HGET', LOCK, 'confirmed_by') == request then
  -- No majority had it, so it never counts: a lease that does, under a lower token, may be given to this server again.
  redis.call('HSET', LOCK, 'confirmed', redis.call('HGET', LOCK, 'confirmed_was') or '0',
    'confirmed_by', redis.call('HGET', LOCK, 'confirmed_by_was') or '')
end
local left = over and leave(request)
local held = recorded()
local had = held and held.request == request and (over or greater(held.token, token) == token)
if over and not (had and token ~= '0' and not held.copies) then
  refuse_copies(request)
end
if had then
  clear()
  settle()
end
return (had or left) and 1 or 0
