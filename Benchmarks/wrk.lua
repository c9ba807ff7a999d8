-- Sends each signed request of a file once, in order, and says at the end how many were answered how.
-- The file (argument 1) has a line "id timestamp signature" for each request; all have the body of argument 2.
-- wrk runs one thread: threads would share neither the file's position nor the counts.

local requests, next_request, counted = {}, 0, {}

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("*a")
    file:close()
    return text
end

function init(args)
    local body = read(args[2])
    local tail = "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
    local head = "POST /webhooks/seam HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
        .. "\r\nUser-Agent: Svix-Webhooks/1.84.0\r\nAccept: */*\r\nsvix-id: "
    for id, timestamp, signature in read(args[1]):gmatch("(%S+) (%S+) (%S+)\n") do
        requests[#requests + 1] = head .. id .. "\r\nsvix-timestamp: " .. timestamp .. "\r\nsvix-signature: " .. signature .. tail
    end
end

function request()
    next_request = next_request + 1
    return requests[next_request] or error("more requests were asked for than were signed")
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f, "max": %.3f}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
