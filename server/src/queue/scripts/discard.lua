-- Removes a job that nobody of ours wrote, if it is still the same, and with a request its place among those that wait.
-- KEYS: place, job, waiting   ARGV: what is there, hash
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if KEYS[1] == KEYS[2] then redis.call('ZREM', KEYS[3], ARGV[2]) end
return 1
