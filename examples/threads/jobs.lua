-- Many instances at once: one process, several threads. Each run keeps a processor busy for a moment, so that they spread.
job "many" {
  every = "1s",
  max_instances = 10,
  run = function(ctx)
    local until_time = time.now() + 0.2
    while time.now() < until_time do end
    print("process " .. ctx.process .. ", thread " .. ctx.thread .. ", run " .. ctx.id)
  end,
}
