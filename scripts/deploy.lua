-- Jobs that run on an event, and after one another. Try: moondial exec build --param version=1.2
job "build" {
  description = "Pretends to build, and is retried when it fails",
  retry = { max = 2, backoff = "exponential", base = "1s" },
  params = { version = "0.0" },
  timeout = "30s",
  run = function(ctx)
    sleep("200ms")
    if ctx.attempt == 1 and ctx.params.flaky then error("the compiler fell over") end
    kv.set("last", { version = ctx.params.version, at = time.now() })
    log.info("built", { version = ctx.params.version, attempt = ctx.attempt })
    return { version = ctx.params.version }
  end,
}

job "announce" {
  description = "After each successful build",
  after = "build",
  run = function()
    local last = kv.get("last")
    log.info("announcing", { version = last and last.version })
  end,
}
