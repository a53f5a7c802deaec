-- The same with max_instances = 2: two run at a time, each in a Lua state of its own.
seen = 0 -- a global of each state: what one instance counts, the other does not see

job "slow" {
  every = "1s",
  max_instances = 2,
  run = function(ctx)
    seen = seen + 1
    print("begin " .. ctx.id .. ", run " .. seen .. " of this state, thread " .. ctx.thread)
    sleep("2s")
    print("end " .. ctx.id)
  end,
}
