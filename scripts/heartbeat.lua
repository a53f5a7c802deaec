-- A job keeps its Lua state between runs: `beats` goes on counting until the job is edited or the host restarts.
local beats = 0

job "heartbeat" {
  description = "Counts its own runs",
  every = "10s",
  run = function()
    beats = beats + 1
    log.info("alive", { beats = beats })
    return beats
  end,
}

-- With state = "run" every run starts from the script as it was loaded: this one always says 1.
local runs = 0

job "forgetful" {
  description = "Counts too, and forgets",
  every = "30s",
  state = "run",
  run = function()
    runs = runs + 1
    log.info("counted", { runs = runs })
    return runs
  end,
}
