-- The live lease whose secret has this hash: its token, and the milliseconds that are left of it. False when there is none, or
-- it is broken. Writes nothing.
--
-- ARGV: secret hash.
local held = recorded()
if not held or held.ends <= NOW or held.broken or held.secret ~= ARGV[1] then
  return false
end
-- When the clock was set back, no more is left than the lease is long.
return { held.token, text(math.min(held.ends - NOW, tonumber(held.ttl))) }
