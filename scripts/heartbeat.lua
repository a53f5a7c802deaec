-- A job keeps its Lua state between runs: `count` goes on counting until the job is edited or the host restarts.
local count = 0

job "heartbeat" {
  description = "Counts its own runs",
  every = "10s",
  run = function()
    count = count + 1
    log.info("alive", { beats = count })
    return count
  end,
}

-- With state = "run" every run starts from the script as it was loaded: this one always says 1.
job "forgetful" {
  description = "Counts too, and forgets",
  every = "30s",
  state = "run",
  run = function()
    count = count + 1
    log.info("alive", { beats = count })
    return count
  end,
}
