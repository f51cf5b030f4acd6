-- Leaves the line; a lease that was granted to the request meanwhile is released. The request, or a copy of it, may still be
-- on its way, and is refused when it comes.
--
-- ARGV: request. Gives 'released', 'left' or 'unknown'.
local request = ARGV[1]
refuse_copies(request)
local held = recorded()
if held and held.request == request then
  clear()
  settle()
  return 'released'
end
return leave(request) and 'left' or 'unknown'
