-- Checks every answer, and prints at the end what went wrong and how much was done.
-- The argument is the number of requests that are sent at once.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(arguments)
   wrong = 0
   batch = string.rep(wrk.format(), tonumber(arguments[1]))
end

function request()
   return batch
end

function response(status, headers, body)
   if status ~= 200 or body ~= "Hello world!" then
      wrong = wrong + 1
   end
end

function done(summary, latency, requests)
   local wrong = 0
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
   end
   local errors = summary.errors
   io.write(string.format("result: connect %d read %d write %d timeout %d status %d",
      errors.connect, errors.read, errors.write, errors.timeout, errors.status))
   io.write(string.format(" wrong %d done %d\n", wrong, summary.requests))
end
