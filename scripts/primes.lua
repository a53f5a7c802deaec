-- A report that needs a processor for a while. It is cut into slices, so nothing else waits for it.
local function primes_below(n)
  local composite, found = {}, {}
  for i = 2, n do
    if not composite[i] then
      found[#found + 1] = i
      for k = i * i, n, i do composite[k] = true end
    end
  end
  return found
end

job "primes" {
  description = "A CPU-heavy report",
  cron = "*/5 * * * *",
  timeout = "1m",
  memory = "128MB",
  params = { below = 2000000 },
  run = function(ctx)
    local found = primes_below(ctx.params.below)
    log.info("primes", { count = #found, largest = found[#found] })
    return { count = #found, largest = found[#found] }
  end,
}
