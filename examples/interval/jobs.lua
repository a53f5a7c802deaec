-- An interval job beside a main loop: the tick goes on while the other job "works" in its own loop, on whatever thread is free.
job "tick" {
  every = "3s",
  run = function() print("tick! the time is " .. time.format(time.now())) end,
}

job "main-loop" {
  run_at_start = true,
  run = function(ctx)
    while not ctx:cancelled() do
      print("the main loop turns")
      sleep("2s")
    end
  end,
}
