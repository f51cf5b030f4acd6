-- The holder and all live waiters, in no certain order. Writes nothing.
--
-- Gives { last token or '', holder or {}, waiters, confirmed token or '' (of a quorum's lease): the holder as
-- { owner, token, since in us, ends in ms, broken or '', request }, each waiter as
-- { number, class, owner, since in us, passed, milliseconds of its silence, request }.
local held = recorded()
local holder = {}
if held and held.ends > NOW then
  holder = { held.owner, held.token, held.since, text(held.ends), held.broken or '', held.request }
end
local pauses = last_pauses()
local waiters = {}
for _, ticket in ipairs(redis.call('ZRANGE', LINE, 0, -1)) do
  local request = ticket:sub(18)
  local heard = tonumber(redis.call('ZSCORE', HEARD, request) or '0')
  local asked = redis.call('HGET', WAITERS, request)
  if asked and silent_since(heard, SILENT, pauses) > NOW - SILENT then
    asked = cjson.decode(asked)
    waiters[#waiters + 1] = { asked.number, text(asked.class), asked.owner, asked.since,
      redis.call('ZSCORE', PASSED, request) or '0', text(NOW - silent_since(heard, SILENT_HEAD, pauses)), request }
  end
end
return { redis.call('HGET', LOCK, 'token_last') or '', holder, waiters,
  redis.call('HGET', LOCK, 'confirmed') or '' }
