-- Runs once when the host starts, and when the job is new.
job "startup" {
  description = "Lists what is scheduled",
  run_at_start = true,
  run = function()
    local next_up
    for _, other in ipairs(jobs.list()) do
      if other.next_run_time and (not next_up or other.next_run_time < next_up.next_run_time) then next_up = other end
    end
    log.info("the host is up", { jobs = #jobs.list(), next = next_up and next_up.name })
  end,
}
