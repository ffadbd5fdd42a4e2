-- KEYS: the stock, the reservations of the customers, and the orders.
-- ARGV: the order as JSON, the customer, and the number of items.
local left = tonumber(redis.call('GET', KEYS[1]) or '0') - tonumber(ARGV[3])
if left < 0 then
  return false
end
redis.call('SET', KEYS[1], left)
redis.call('HINCRBY', KEYS[2], ARGV[2], ARGV[3])
redis.call('RPUSH', KEYS[3], ARGV[1])
return left
