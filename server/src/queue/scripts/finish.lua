-- Ends a job for the worker that holds its entry of the stream. There is one such end: the entry goes with it.
-- KEYS: stream, job, tokens, those done, result   ARGV: group, token, consumer, JSON, lifetime in ms, name among those done, its end in ms
-- Returns 1, or 0 if the entry is another's or done.
local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if not entry or entry[2] ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[5], ARGV[4], 'PX', ARGV[5])
redis.call('ZADD', KEYS[4], ARGV[7], ARGV[6])
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
