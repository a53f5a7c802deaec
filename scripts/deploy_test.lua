-- moondial test runs this file; no host loads it. Each test has a host, a clock and a store of its own.
test("build announces what it has built", function(t)
  local built = t:run("build", { params = { version = "1.2" } })
  t:equal(built.result, { version = "1.2" })
  local announced = t:advance(0)[1] or t:runs("announce")[1]
  t:equal(announced.log[1].fields, { version = "1.2" })
end)

test("a build that falls over is tried again", function(t)
  local built = t:run("build", { params = { flaky = true } })
  t:equal(built.outcome, "succeeded")
  t:equal(built.attempts, 2)
end)
