-- Finds the job for an entry of the stream that a worker got: the one that a dead worker left with it, or the next one.
-- KEYS: stream, waiting, tokens, round   ARGV: group, token
-- Returns a hash, or false if there is nothing to do.
local left = redis.call('HGET', KEYS[3], ARGV[2])
if left then return left end
local first = redis.call('ZPOPMIN', KEYS[2])
if not first[1] then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
  return false
end
redis.call('SET', KEYS[4], string.format('%.0f', math.floor(tonumber(first[2]) / 4294967296)))
redis.call('HSET', KEYS[3], ARGV[2], first[1])
return first[1]
