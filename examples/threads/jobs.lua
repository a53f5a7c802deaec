-- Many instances at once: one process, several threads. A run that sleeps holds no thread, and goes on on whichever is free.
job "many" {
  every = "200ms",
  max_instances = 10,
  run = function(ctx)
    local first = ctx.thread
    sleep("1s")
    print("run " .. ctx.id .. ": process " .. ctx.process .. ", began on thread " .. first .. ", ended on " .. ctx.thread)
  end,
}
