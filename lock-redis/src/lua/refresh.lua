-- Says that waiters still wait, and takes up what was handed to them: the sweep of a process, in one batch for each key.
--
-- ARGV: requests. Gives for each { 'granted', token, number }, { 'queued', number, ahead, ms until the holder's end or -1 },
-- or { 'missing' } for one that has no place (any more): it was silent for too long, or the store has lost its data.
for _, request in ipairs(ARGV) do
  redis.call('ZADD', HEARD, 'XX', text(NOW), request)
end
local held = settle()
local answers = {}
for at, request in ipairs(ARGV) do
  if held and held.request == request then
    answers[at] = take(held)
  elseif redis.call('HEXISTS', WAITERS, request) == 1 then
    answers[at] = queued(request, held)
  else
    answers[at] = { 'missing' }
  end
end
return answers
