-- One key: its time, its holder, its waiters, and the grant. Behind queue.lua at the head of every script.

local TIME = redis.call('TIME')
local NOW_US = TIME[1] * 1000000 + TIME[2]
local NOW = math.floor(NOW_US / 1000)

-- How long a lease that was handed over waits for its taker.
local OFFER = 2000
-- A waiter that would be granted now is dead after this silence: it speaks every 600 ms.
local SILENT_HEAD = 2000
-- Any other one after this; it may be slow, but then it is passed over, and keeps its number when it speaks again.
local SILENT = 10000

-- A key that somebody waits for is heard of every 600 ms: after a longer pause the server itself may have been away.
local DEAF = 800
-- So many pauses, the last ones, are nobody's silence: who is not back after one may meet the next.
local PAUSES = 3
-- A request is refused for so long after it was withdrawn: longer than a network keeps a copy of it.
local GONE_FOR = 300000

-- `offered` is when, in ms, while its taker has not taken it up; `copies`: of its request a late copy may come yet.
local HELD = { 'request', 'token', 'number', 'owner', 'secret', 'since', 'ends', 'ttl', 'broken', 'offered', 'copies' }

-- A whole number as text; Lua would write 1e+15.
local function text(number)
  return string.format('%.0f', number)
end

-- The lease as recorded, whether it has ended or not; nil when there is none.
local function recorded()
  local values = redis.call('HMGET', LOCK, unpack(HELD))
  if not values[1] then
    return nil
  end
  local held = {}
  for at, field in ipairs(HELD) do
    held[field] = values[at]
  end
  held.ends = tonumber(held.ends)
  return held
end

local function clear()
  redis.call('HDEL', LOCK, unpack(HELD))
end

-- Takes a request out of the line. Gives what it asked for, and when it was last heard of; nil when it does not wait.
local function leave(request)
  local asked = redis.call('HGET', WAITERS, request)
  if not asked then
    return nil
  end
  asked = cjson.decode(asked)
  asked.heard = tonumber(redis.call('ZSCORE', HEARD, request))
  redis.call('ZREM', LINE, member(asked.class, tonumber(asked.number), request))
  redis.call('ZREM', AGED, aged(asked.class, tonumber(asked.number), request))
  redis.call('HDEL', WAITERS, request)
  redis.call('ZREM', HEARD, request)
  redis.call('ZREM', PASSED, request)
  return asked
end

-- Tokens are decimal text: a client's floor may be beyond what a Lua number holds exactly.
local function greater(a, b)
  if #a ~= #b then
    return #a > #b and a or b
  end
  return a > b and a or b
end

-- max(last + 1, the floor, the clock in microseconds).
local function next_token(floor)
  redis.call('HINCRBY', LOCK, 'token_last', 1)
  local token = greater(greater(redis.call('HGET', LOCK, 'token_last'), floor), text(NOW_US))
  redis.call('HSET', LOCK, 'token_last', token)
  return token
end

-- Makes the request the holder, and gives its token. `offered`: it was not there to take the lease, and has OFFER to do so.
local function grant(request, asked, offered)
  local token, ends = next_token(asked.floor), NOW + (offered and OFFER or tonumber(asked.ttl))
  redis.call('HSET', LOCK, 'request', request, 'token', token, 'number', asked.number,
    'owner', asked.owner, 'secret', asked.secret, 'since', text(NOW_US), 'ends', text(ends), 'ttl', asked.ttl)
  if offered then
    redis.call('HSET', LOCK, 'offered', text(NOW))
  end
  if asked.copies then
    redis.call('HSET', LOCK, 'copies', '1')
  end
  return token
end

-- The last pauses in which the server has heard of nobody, the oldest first, each from when and until when. It was down or hung,
-- another one had its place, its clock was set ahead; or nobody was there.
local function last_pauses()
  local noted = redis.call('HMGET', LOCK, 'noted', 'pauses')
  local pauses = {}
  for _, pause in ipairs(cjson.decode(noted[2] or '[]')) do
    -- The clock may have been set back.
    if pause[2] <= NOW then
      pauses[#pauses + 1] = pause
    end
  end
  local last = tonumber(noted[1] or NOW)
  if NOW - last > DEAF then
    pauses[#pauses + 1] = { last, NOW }
  end
  if #pauses > PAUSES then
    table.remove(pauses, 1)
  end
  return pauses
end

-- Notes that the key is in use. Gives the last pauses.
local function listen()
  local pauses = last_pauses()
  redis.call('HSET', LOCK, 'noted', text(NOW), 'pauses', cjson.encode(pauses))
  return pauses
end

-- From when the silence of one counts that was last heard of at `heard`: a pause is not its own, unless it was silent for
-- `span` before. Pauses without number would keep who is dead alive for those who come by now and then.
local function silent_since(heard, span, pauses)
  for _, pause in ipairs(pauses) do
    if heard > pause[1] - span then
      heard = math.max(heard, pause[2])
    end
  end
  return heard
end

-- The live lease. When there is none, the lock goes to the next live waiter, and only that one is woken.
local function settle()
  local pauses = listen()
  local held = recorded()
  local offered = held and tonumber(held.offered)
  -- Nobody could take an offer up while the server was away.
  local until_taken = offered and silent_since(offered, OFFER, pauses) + OFFER
  if offered and held.ends < until_taken then
    held.ends = until_taken
    redis.call('HSET', LOCK, 'ends', text(until_taken))
  end
  if held and held.ends > NOW then
    -- When the clock was set back, no more is left than a lease or an offer is long.
    local longest = NOW + math.max(OFFER, tonumber(held.ttl))
    if held.ends > longest then
      held.ends = longest
      redis.call('HSET', LOCK, 'ends', text(longest))
    end
    return held
  end
  if held then
    clear()
  end
  while true do
    local request = next_in_line()
    if not request then
      return nil
    end
    local asked = leave(request)
    if asked and silent_since(asked.heard, SILENT_HEAD, pauses) > NOW - SILENT_HEAD then
      pass_by(tonumber(asked.number))
      grant(request, asked, true)
      redis.call('PUBLISH', asked.wake, request)
      return recorded()
    end
  end
end

-- Removes the waiters that have been silent for too long.
local function bury()
  local pauses = listen()
  local silent = redis.call('ZRANGEBYSCORE', HEARD, '-inf', text(NOW - SILENT), 'WITHSCORES')
  for at = 1, #silent, 2 do
    if silent_since(tonumber(silent[at + 1]), SILENT, pauses) <= NOW - SILENT then
      leave(silent[at])
    end
  end
end

-- Notes that a request is over: what was sent before and comes after this is refused.
local function refuse_copies(request)
  redis.call('ZREMRANGEBYSCORE', GONE, '-inf', text(NOW - GONE_FOR))
  redis.call('ZADD', GONE, text(NOW), request)
end

-- A request takes its lease up: from now on for its full time. A broken one cannot be prolonged, so it is too late to begin.
local function take(held)
  if held.broken then
    return { 'broken', held.token }
  end
  if held.offered then
    redis.call('HDEL', LOCK, 'offered')
    redis.call('HSET', LOCK, 'since', text(NOW_US))
  end
  redis.call('HSET', LOCK, 'ends', text(NOW + tonumber(held.ttl)))
  return { 'granted', held.token, held.number }
end

-- Gives the function that says how a ticket stands: { 'queued', number, how many go first, milliseconds until the holder's
-- end if this is the head of the line, else -1 }. Made once for all tickets of a script, when nothing changes any more.
local function standings(held)
  local head, ahead = next_in_line(), places()
  return function(class, number, request)
    return { 'queued', text(number), text(ahead(class, number, request)),
      head == request and held and text(held.ends - NOW) or '-1' }
  end
end
