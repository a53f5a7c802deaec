import Foundation
import Glibc
import ScriptFixtures
import Testing

@Suite("Quotas, as the binary keeps them", .onBothExecutors, .serialized)
struct QuotaTests {
  @Test("a script that takes too much gets a sentence each time, and the host goes on")
  func messages() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "greedy" { run_at_start = true, run = function()
        local _, why = pcall(kv.set, "k", string.rep("x", 3000))
        print("kv says " .. why)
        local made, last = 0
        for i = 1, 5 do
          local id, err = jobs.schedule("greedy", { at = "2099-01-01", id = "s" .. i })
          if id then made = made + 1 else last = err end
        end
        print(made .. " schedules: " .. last)
        for i = 1, 5 do _, last = metric.counter("c", 1, { i = i }) end
        print("metric says " .. last)
        log.info(string.rep("y", 2000))
        return string.rep("z", 5000)
      end }
      """)
    let host = try place.host(
      "--set", "quotas.kv_bytes_per_script=2KB", "--set", "quotas.schedules_per_job=3", "--set",
      "quotas.metric_series_per_script=2", "--set", "quotas.log_line_bytes=1KB", "--set", "quotas.result_bytes=2KB")
    try host.awaitLine(containing: "kv says")
    #expect(host.text.contains("a.lua would have 3003 bytes of keys and values, more than the 2048"))
    try host.awaitLine(containing: "3 schedules: job \"greedy\" has 3 schedules, as many as a job may have")
    try host.awaitLine(containing: "metric says the script has 2 series, as many as it may have")
    try host.awaitLine(containing: "(cut: 2000 bytes, 1024 are kept)")
    try host.awaitLine(containing: "the result of run is not kept: it has 5002 bytes as JSON, more than the 2048")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("memory and time beyond the quota are errors of check, with their place")
  func asked() throws {
    let place = try Place()
    try place.save("a.lua", "job \"a\" {\n  memory = \"1GB\", run = print }\n")
    try Data("return { quotas = { max_memory = \"256MB\" } }".utf8).write(
      to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    let ended = try place.run("check", "scripts")
    #expect(ended.status == 1)
    let said = (ended.output + ended.errors).joined(separator: "\n")
    #expect(said.contains("a.lua:1: job \"a\": memory must be at most 256MB, not \"1GB\": ask for less"))
  }
}
