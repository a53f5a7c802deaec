test("the standup is at 9:45 in Vienna, before and after daylight saving begins", { at = "2026-03-27T00:00Z" }, function(t)
  t:equal(t:next("standup", 2), { "2026-03-27T09:45:00+01:00", "2026-03-30T09:45:00+02:00" })
end)

test("the month is closed once", { at = "2026-02-27T12:00Z", jobs = { "month-end" } }, function(t)
  local runs = t:advance("7d")
  t:equal(#runs, 1)
  t:equal(runs[1].at, "2026-02-28T18:00:00+01:00")
end)
