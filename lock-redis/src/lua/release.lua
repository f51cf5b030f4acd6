-- Ends exactly this lease, and its request where a copy may come yet, and hands the lock to the next live waiter. Idempotent: any other state is left as it is.
--
-- ARGV: request, token. Gives 1 if this call has ended it, else 0.
local held = recorded()
if not held or held.request ~= ARGV[1] or held.token ~= ARGV[2] then
  return 0
end
if held.copies then
  refuse_copies(held.request)
end
clear()
settle()
return 1
