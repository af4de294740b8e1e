-- Writes a job for the worker that holds its entry of the stream, and renews his hold.
-- KEYS: stream, job   ARGV: group, token, consumer, JSON (or nothing: only renew)
-- Returns 1, or 0 if the entry is another's or done.
local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
if not entry or entry[2] ~= ARGV[3] then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID')
if ARGV[4] ~= '' then redis.call('SET', KEYS[2], ARGV[4]) end
return 1
