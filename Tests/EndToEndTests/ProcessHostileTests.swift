import Foundation
import Glibc
import JobModel
import ScriptFixtures
import Testing

/// With `MOONDIAL_LONG_TESTS=1` some 10,000 hostile runs instead of some forty.
private let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"

/// Native code that does its worst, on an executor of processes, through the binary, and what is left of it.
@Suite("Hostile code on processes, end to end", .serialized, .timeLimit(.minutes(isLong ? 120 : 5)))
struct ProcessHostileTests {
  private static let isRoot = geteuid() == 0
  private static let rounds = isLong ? 800 : 3
  private static let workers = isLong ? 8 : 3

  /// What a job does, and how each of its runs ends.
  private struct Kind {
    let name: String
    let body: String
    /// In the line that tells the end, or that the run itself has written.
    let said: String
    let outcomes: Set<Outcome>
    var timeout: String?
    var executor = "isolated"

    var job: String { "h_" + name }
    var fields: String { "executor = '\(executor)', " + (timeout.map { "timeout = '\($0)'," } ?? "") }
  }

  private static let kinds: [Kind] = [
    Kind(name: "segv", body: "h.segv()", said: "SIGSEGV", outcomes: [.crashed]),
    Kind(
      name: "abort", body: "io.stderr:write('last words\\n') h.abort()", said: "it last wrote: last words",
      outcomes: [.crashed]),
    Kind(name: "exit", body: "os.exit(3)", said: "with code 3", outcomes: [.crashed]),
    Kind(
      name: "garbage", body: "h.write(3, ('garbage '):rep(20)) h.nap()", said: "what is no message",
      outcomes: [.crashed]),
    Kind(name: "killed", body: "h.kill(ctx.process, 9)", said: "SIGKILL", outcomes: [.crashed]),
    Kind(name: "stuck", body: "h.nap()", said: "timed_out", outcomes: [.timedOut], timeout: "400ms"),
    Kind(name: "ignores", body: "h.ignore()", said: "timed_out", outcomes: [.timedOut], timeout: "400ms"),
    Kind(
      name: "stopped", body: "h.kill(ctx.process, 19) h.nap()", said: "timed_out", outcomes: [.timedOut],
      timeout: "400ms"),
    Kind(name: "hog", body: "h.hog()", said: "out_of_memory", outcomes: [.outOfMemory]),
    // One that closes all descriptors ends by its closed connection, or, where its own reader does not let go of it, by
    // its deadline.
    Kind(name: "closed", body: "h.close() h.nap()", said: "", outcomes: [.crashed, .timedOut], timeout: "1s"),
    // What they leave behind, and say afterwards, costs nobody anything.
    Kind(name: "daemon", body: "h.daemonise() print('leaves one')", said: "leaves one", outcomes: [.succeeded]),
    Kind(name: "twice", body: "h.twice() print('answers')", said: "answers", outcomes: [.succeeded]),
  ]

  /// Its user has no processes to spare until the last ones are waited for, by whoever is the machine's first process:
  /// so the next worker may not start. Only root's hosts can give runs a user, whose processes alone are counted.
  private static let bomb = Kind(
    name: "bomb", body: "h.bomb()", said: "", outcomes: [.timedOut, .failed], timeout: "500ms", executor: "bombs")

  private func script(_ place: Place, _ kinds: [Kind]) -> String {
    let head = "job_defaults { overlap = 'queue', coalesce = false }\n"
    return head
      + kinds.map { kind in
        "job '\(kind.job)' { every = '300ms', limit = \(Self.rounds), \(kind.fields) run = function(ctx) "
          + HostileCode.loading(place) + kind.body + " end }\n"
      }.joined()
  }

  private func prepare(_ place: Place, _ kinds: [Kind]) throws {
    try HostileCode.build(in: place)
    let user = Self.isRoot ? "user = 'nobody'," : ""
    let bombs = Self.isRoot ? "bombs = { type = 'process', libraries = 'all', user = 'daemon', processes = 60 }," : ""
    let configuration = """
      return {
        executors = {
          isolated = {
            type = "process", workers = \(Self.workers), memory = "96MB", libraries = "all", \(user)
          }, \(bombs)
        },
        grants = { ["*"] = { fs = { "\(place.path):r" } } },
        retention = { runs = false },
      }
      """
    try Data(configuration.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    try FileManager.default.createDirectory(atPath: place.path + "/tmp", withIntermediateDirectories: false)
    try place.save("hostile.lua", script(place, kinds))
    try place.save(
      "good.lua",
      "local n = 0 job 'good' { every = '200ms', run = function() n = n + 1 kv.set('n', n) return n end }\n"
        + "job 'mine' { every = '200ms', executor = 'isolated', run = function(ctx) return ctx.process end }")
  }

  @Test("it costs its own runs: the others go on, and no process, descriptor or file is left of it")
  func hostile() throws {
    let place = try Place()
    let kinds = Self.kinds + (Self.isRoot ? [Self.bomb] : [])
    try prepare(place, kinds)
    let host = try place.host(prefix: ["/usr/bin/env", "TMPDIR=" + place.path + "/tmp"])
    try host.awaitLine(containing: "jobs from")
    let began = Date()
    let before = try descriptors(of: host)
    var left = Dictionary(uniqueKeysWithValues: kinds.map { ($0.job, Self.rounds) })
    while !left.isEmpty {
      let line = try host.awaitLine(within: 120) { line in
        line.contains(" h_") && (line.contains(" error ") || line.contains("leaves one") || line.contains("answers"))
      }
      guard let kind = kinds.first(where: { line.contains(" \($0.job) #") }) else { continue }
      #expect(kind.said.isEmpty || line.contains(kind.said), "\(line)")
      left[kind.job, default: 0] -= 1
      if left[kind.job] == 0 { left[kind.job] = nil }
    }
    let took = Date().timeIntervalSince(began)
    try expectNothingLeft(host, descriptors: before)
    print(
      "hostile runs: \(kinds.count * Self.rounds) in \(took) s; descriptors \(before) before, "
        + "\(try descriptors(of: host)) after; children \(ProcessList().children(of: host.pid).map(\.name))")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.path + "/tmp").isEmpty)
    try expectOutcomes(place, kinds)
  }

  private func expectOutcomes(_ place: Place, _ kinds: [Kind]) throws {
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    var runs: [String: [Outcome: Int]] = [:]
    for row in try store.runs(RunQuery(limit: 1_000_000)) where row.outcome != nil {
      runs[row.job, default: [:]][row.outcome ?? .failed, default: 0] += 1
    }
    for kind in kinds {
      let found = runs[kind.job] ?? [:]
      #expect(found.values.reduce(0, +) == Self.rounds, "\(kind.name): \(found)")
      #expect(kind.outcomes.isSuperset(of: found.keys), "\(kind.name): \(found)")
    }
    // Those that the host's end has found are interrupted.
    for job in ["good", "mine"] {
      #expect(Set(runs[job, default: [:]].keys).isSubset(of: [.succeeded, .interrupted]), "\(runs[job] ?? [:])")
    }
    #expect(runs["good"]?[.succeeded] ?? 0 > 3)
  }

  private func descriptors(of host: HostProcess) throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.pid)/fd").count
  }

  /// Waits until there are no more children than workers and the keeper, none of them a zombie, and no more descriptors
  /// than these need.
  private func expectNothingLeft(_ host: HostProcess, descriptors before: Int) throws {
    // Another executor has two workers and a keeper of its own.
    let most = Self.workers + 1 + (Self.isRoot ? 3 : 0)
    let end = Date().addingTimeInterval(HostProcess.patience)
    var children = ProcessList().children(of: host.pid)
    while children.count > most || children.contains(where: { $0.state == "Z" }), Date() < end {
      // One that has ended and was not waited for is seen at once; its host is about to.
      for child in children.dropFirst(most) where child.state != "Z" {
        ProcessList.awaitEnd(of: child.process, within: 1)
      }
      sched_yield()
      children = ProcessList().children(of: host.pid)
    }
    #expect(children.count <= most && !children.contains { $0.state == "Z" }, "\(children)")
    #expect(try descriptors(of: host) <= before + 3 * most + 2, "\(before) descriptors before")
  }
}
