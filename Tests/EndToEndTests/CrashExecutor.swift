import Foundation
import Glibc
import ScriptFixtures
import TestSupport

/// Where the jobs of a crash harness are run.
enum CrashExecutor: String, CaseIterable {
  case threads, process

  /// An entry of `executors` in `moondial.lua`, and the line of a script that chooses it.
  var table: String { "executors = { chosen = { type = '\(rawValue)', workers = 3 } }" }
  static let choice = choice("")

  /// - Parameter fields: other defaults, each with a comma behind it.
  static func choice(_ fields: String) -> String { "job_defaults { \(fields) executor = 'chosen' }\n" }
}

/// Kills of worker processes while their host lives, and an account of those that it leaves behind.
struct ChildKills {
  /// Workers that were killed.
  private(set) var killed = 0

  /// Lets the host live for so many seconds, and kills a child of it now and then; its status when it ended by itself.
  mutating func live(_ host: HostProcess, for seconds: Double, _ random: inout SeededGenerator) -> Int32? {
    let end = Date(timeIntervalSinceNow: seconds)
    while true {
      let rest = end.timeIntervalSinceNow
      if let status = host.endWithin(max(0, min(rest, Double(random.next() % 300) / 1_000))) { return status }
      if rest <= 0 { return nil }
      let children = ProcessList().children(of: host.pid).filter { $0.state != "Z" }.map(\.process).sorted()
      guard !children.isEmpty else { continue }
      if kill(children[random.below(children.count)], SIGKILL) == 0 { killed += 1 }
    }
  }

  /// Kills the host. Everything that it had started ends with it: those that do not are told.
  func endHost(_ host: HostProcess) throws -> [String] {
    // What is stopped starts nothing more, so the list is whole.
    host.signal(SIGSTOP)
    var list = ProcessList()
    while let entry = list.all.first(where: { $0.process == host.pid }), entry.state != "T", entry.state != "Z" {
      sched_yield()
      list = ProcessList()
    }
    var started = list.children(of: host.pid)
    var next = 0
    while next < started.count {
      started += list.children(of: started[next].process)
      next += 1
    }
    host.signal(SIGKILL)
    try host.awaitExit()
    return started.map(\.process).filter { !ProcessList.awaitEnd(of: $0, within: Int32(HostProcess.patience)) }
      .map { "process \($0) outlives its host" }
  }
}
