-- Takes a job in: to its client's turn, with one entry of the stream for whoever is free.
-- KEYS: job, waiting, rounds, round, sequence, stream, done   ARGV: hash, JSON, client, most that may wait
-- Returns -1 if it is taken or was there, else how many wait.
if redis.call('EXISTS', KEYS[1], KEYS[7]) > 0 then return -1 end
local waiting = redis.call('ZCARD', KEYS[2])
if waiting > tonumber(ARGV[4]) then return waiting end
if waiting == 0 then redis.call('DEL', KEYS[3]) end
local round = tonumber(redis.call('GET', KEYS[4]) or '0')
local last = redis.call('HGET', KEYS[3], ARGV[3])
if last and tonumber(last) + 1 > round then round = tonumber(last) + 1 end
local sequence = redis.call('INCR', KEYS[5]) % 4294967296
redis.call('HSET', KEYS[3], ARGV[3], string.format('%.0f', round))
redis.call('ZADD', KEYS[2], string.format('%.0f', round * 4294967296 + sequence), ARGV[1])
redis.call('SET', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[6], '*', 'job', '1')
return -1
