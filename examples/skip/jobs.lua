-- A job that takes longer than its interval: with max_instances = 1 (the default) a fire that comes while it runs is skipped,
-- recorded and logged, and the job goes on with the next one.
job "slow" {
  every = "1s",
  max_instances = 1,
  run = function(ctx)
    print("begin " .. ctx.id)
    sleep("2s")
    print("end " .. ctx.id)
  end,
}
