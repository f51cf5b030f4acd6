-- Marks exactly this lease as broken: its holder sees the mark at its next renewal. Nobody is granted the lock before the
-- holder lets go or its lease ends, and the mark keeps it from being prolonged. An offer, under which nobody acts, ends at once.
--
-- ARGV: token. Gives 1, or 0 when that token does not hold the lock now.
local held = recorded()
if not held or held.ends <= NOW or held.token ~= ARGV[1] then
  return 0
end
if held.offered then
  clear()
  settle()
else
  redis.call('HSET', LOCK, 'broken', '1')
end
return 1
