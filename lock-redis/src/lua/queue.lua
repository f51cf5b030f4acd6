-- Who goes next: the policy of lock-core/src/queue.rs, repeated for the server. tests/policy.rs holds it to that one.
--
-- Every script begins with this file and key.lua. KEYS, the same for all: one lock, under one hash tag.
local LOCK = KEYS[1]    -- hash: the last token and number, for ever; and the holder's lease
local LINE = KEYS[2]    -- sorted set, all scores 0: member(..), which sorts as the policy does without aging
local WAITERS = KEYS[3] -- hash: request -> what it asked for, as JSON
local HEARD = KEYS[4]   -- sorted set: request -> when it was last heard of, milliseconds
local PASSED = KEYS[5]  -- sorted set: request -> how many later tickets have been granted before it
local AGED = KEYS[6]    -- sorted set, all scores 0: aged(..), the eldest first, of those passed PASSED_MAX times
local GONE = KEYS[7]    -- sorted set: request -> when it was withdrawn before it came, milliseconds

local PASSED_MAX = 16
-- Sorts behind every request, which is in hexadecimal digits.
local BEHIND = '~'

-- A ticket by priority, best first (class 0 is urgent, 3 is low), then by number. Numbers stay below 2^53: 16 digits.
local function member(class, number, request)
  return string.format('%d%016.0f%s', class, number, request)
end

local function aged(class, number, request)
  return string.format('%016.0f%d%s', number, class, request)
end

-- The request to be granted next; nil when nobody waits. Without an aged ticket, the line is in its order; else the eldest
-- one bounds the choice.
local function next_in_line()
  local eldest = redis.call('ZRANGE', AGED, 0, 0)[1]
  if not eldest then
    local first = redis.call('ZRANGE', LINE, 0, 0)[1]
    return first and first:sub(18)
  end
  for class = 0, 3 do
    local last = '[' .. class .. eldest:sub(1, 16) .. BEHIND
    local first = redis.call('ZRANGEBYLEX', LINE, '[' .. class, last, 'LIMIT', 0, 1)[1]
    if first then
      return first:sub(18)
    end
  end
  return nil
end

-- Gives the function that says of a ticket how many go before it if nobody else comes: its place in queue::order. Made once
-- for all tickets of a script, as it reads all aged ones; a ticket costs four counts then, however long the line is.
local function places()
  -- An aged ticket goes with all that are not behind it in either order: those of its class and of better ones with numbers
  -- up to its own. Then the next aged one binds. For each class, the numbers of those that bind it, ascending:
  local limits = { [0] = {}, {}, {}, {} }
  local eldest_first = redis.call('ZRANGE', AGED, 0, -1)
  for _, eldest in ipairs(eldest_first) do
    for class = 0, tonumber(eldest:sub(17, 17)) do
      table.insert(limits[class], eldest:sub(1, 16))
    end
  end
  -- Where the first one is that is not below `digits`.
  local function find(numbers, digits)
    local low, high = 1, #numbers + 1
    while low < high do
      local middle = math.floor((low + high) / 2)
      if numbers[middle] < digits then
        low = middle + 1
      else
        high = middle
      end
    end
    return low
  end
  return function(class, number, request)
    if #eldest_first == 0 then
      return redis.call('ZLEXCOUNT', LINE, '-', '(' .. member(class, number, request))
    end
    local digits = string.format('%016.0f', number)
    -- The aged ticket that it goes with.
    local with = limits[class][find(limits[class], digits)] or BEHIND
    local count = redis.call('ZLEXCOUNT', LINE, '[' .. class, '(' .. class .. digits)
    for other = 0, 3 do
      -- Better ones go with the same one, and worse ones with one that is elder.
      local last = other < class and with or other > class and limits[other][find(limits[other], with) - 1]
      if last then
        count = count + redis.call('ZLEXCOUNT', LINE, '[' .. other, '[' .. other .. last .. BEHIND)
      end
    end
    return count
  end
end

-- Counts a grant to `number` for all that asked before it. Each ticket is counted PASSED_MAX times at most, so a grant
-- costs no more than that in the long run.
local function pass_by(number)
  for class = 0, 3 do
    local below = string.format('(%d%016.0f', class, number)
    for _, ticket in ipairs(redis.call('ZRANGEBYLEX', LINE, '[' .. class, below)) do
      local request = ticket:sub(18)
      if tonumber(redis.call('ZINCRBY', PASSED, 1, request)) == PASSED_MAX then
        redis.call('ZADD', AGED, 0, aged(class, tonumber(ticket:sub(2, 17)), request))
      end
    end
  end
end

-- The number of a ticket: the one it comes back with, if that was issued before and is nobody's now; else `next`.
local function number_of(comes_back_with, next, holders)
  local number = tonumber(comes_back_with)
  if not number or number < 1 or number >= next or number == holders then
    return next
  end
  for class = 0, 3 do
    local digits = string.format('[%d%016.0f', class, number)
    if redis.call('ZLEXCOUNT', LINE, digits, digits .. BEHIND) > 0 then
      return next
    end
  end
  return number
end
