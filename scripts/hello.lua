-- Edit this file and save it while the host runs: the next greeting is the new one.
local greeting = "hello from Lua"

job "hello" {
  description = "Says hello every few seconds",
  every = "5s",
  run_at_start = true,
  run = function(ctx)
    log.info(greeting, { due = time.format(ctx.scheduled_at), run = ctx.id })
  end,
}
