import Foundation
import Testing

@Suite("moondial logs -f while a run writes, end to end", .timeLimit(.minutes(3)))
struct FollowedLogTests {
  @Test("no line is lost between what is kept and what comes, and none is shown twice")
  func beginning() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "writes" { run = function()
        for i = 1, 3000 do print("line " .. i .. ";") sleep("1ms") end
      end }
      """)
    let host = try place.host()
    try host.awaitLine(containing: "1 job from 1 script")
    #expect(try place.run("trigger", "writes").status == 0)
    let followers = try (1...5).map { number in
      try host.awaitLine(containing: "line \(number * 200);")
      return try HostProcess(["logs", "writes", "-f", "--limit", "1000"], in: place.path)
    }
    for follower in followers {
      try follower.awaitLine(containing: "line 3000;")
      let numbers = follower.text.split(separator: "line ").dropFirst()
        .compactMap { Int($0.prefix { $0.isNumber }) }
      let first = try #require(numbers.first)
      #expect(numbers == Array(first...3_000))
      follower.signal(SIGKILL)
      try follower.awaitExit()
    }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
