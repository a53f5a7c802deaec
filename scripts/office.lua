-- Times are wall-clock times of a zone, right across daylight saving.
job_defaults { timezone = "Europe/Vienna", tags = { "office" } }

job "standup" {
  description = "A reminder on working days, Vienna time",
  cron = "45 9 * * mon-fri",
  misfire_grace_time = "15m",
  run = function() log.info("standup in fifteen minutes") end,
}

job "month-end" {
  description = "The last day of each month",
  cron = { day = "last", hour = 18 },
  run = function(ctx) log.info("closing the month", { due = ctx.scheduled_at }) end,
}
