-- The token of the live lease whose secret has this hash; false when there is none, or it is broken. Writes nothing.
--
-- ARGV: secret hash.
local held = recorded()
return held and held.ends > NOW and not held.broken and held.secret == ARGV[1] and held.token
