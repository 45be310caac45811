-- What wrk asks for: the targets in the file LINKS, in turn, ready made. One line of JSON says what came of it.

local requests, turn = {}, 0

function init()
    wrk.headers["Host"] = os.getenv("HOST")
    for target in io.lines(os.getenv("LINKS")) do
        requests[#requests + 1] = wrk.format("GET", target)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary)
    local errors = summary.errors
    print(string.format('{"requests": %d, "microseconds": %d, "refused": %d, "failed": %d}', summary.requests,
        summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
