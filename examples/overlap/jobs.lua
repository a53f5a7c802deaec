-- The same with max_instances = 2: two run at a time, each in a Lua state of its own.
job "slow" {
  every = "1s",
  max_instances = 2,
  run = function(ctx)
    seen = (seen or 0) + 1 -- a global of this state: the other instance does not see it
    print("begin " .. ctx.id .. ", run " .. seen .. " of this state")
    sleep("2s")
    print("end " .. ctx.id)
  end,
}
