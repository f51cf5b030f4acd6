-- Says that waiters still wait, and takes up what was handed to them: the sweep of a process, in one batch for each key.
--
-- ARGV: tickets, each as member(..) of queue.lua. Gives for each { 'granted', token, number }, { 'broken', token }, { 'queued', number,
-- ahead, ms until the holder's end or -1 }, or { 'missing' } for one that has no place (any more): it was silent for too long, or the
-- store has lost its data.
local heard, requests = {}, {}
for at, ticket in ipairs(ARGV) do
  requests[at] = ticket:sub(18)
  heard[2 * at - 1], heard[2 * at] = text(NOW), requests[at]
end
redis.call('ZADD', HEARD, 'XX', unpack(heard))
local held = settle()
local standing = standings(held)
local answers = {}
for at, ticket in ipairs(ARGV) do
  if held and held.request == requests[at] then
    answers[at] = take(held)
  elseif redis.call('ZSCORE', LINE, ticket) then
    answers[at] = standing(tonumber(ticket:sub(1, 1)), tonumber(ticket:sub(2, 17)), requests[at])
  else
    answers[at] = { 'missing' }
  end
end
return answers
