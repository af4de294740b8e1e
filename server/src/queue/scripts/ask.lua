-- Leaves a question for a process that prepares requests, if there is one, and not too much waits for it.
-- KEYS: sign of life, questions   ARGV: question, most that may wait
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[2]) then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
