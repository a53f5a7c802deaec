import ArgumentParser
import Basics
import HostClient
import Hosting

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "How the host is: its jobs, runs, stores and executors, and what is wrong.",
    discussion: "Example:\n  moondial status --json\nExit code 0: it does its work; 1: it does not; 3: there is none.")

  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    let client = try host.client
    let status = try client.get(HostStatus.self, HostClient.path("status"))
    if json {
      try client.printJSON("GET", HostClient.path("status"))
    } else {
      for (name, value) in status.lines { Terminal.line("\(VisibleText.padded(name, to: 10)) \(value)") }
    }
    if !status.isReady { throw CommandFailure.silent }
  }
}

extension HostStatus {
  /// Named lines for people.
  var lines: [(String, String)] {
    // What is wrong comes first.
    var lines = problems.map { ("problem", $0) }
    lines.append(("host", "Moondial \(version), process \(pid), \(state.rawValue), up since \(startedAt.short)"))
    if let node { lines.append(("node", "\(node), which leads (`moondial nodes` shows the others)")) }
    if let scripts { lines.append(("scripts", "\(scripts), generation \(generation)")) }
    if let pause { lines.append(("paused", "everything, \(pause.words)")) }
    var parts = [counted(jobs.total, "job")]
    for (count, word) in [(jobs.paused, "paused"), (jobs.disabled, "disabled"), (jobs.orphaned, "orphaned")]
    where count > 0 { parts.append("\(count) \(word)") }
    if jobs.schedules > 0 { parts.append("\(counted(jobs.schedules, "dynamic schedule"))") }
    lines.append(("jobs", parts.joined(separator: ", ")))
    var states = ["\(runs.running + runs.claimed) running"]
    let others = [
      (runs.waiting, "waiting"), (runs.retrying, "retrying"), (runs.parked, "parked"), (runs.stuck, "stuck"),
    ]
    for (count, word) in others
    where count > 0 { states.append("\(count) \(word)") }
    lines.append(("runs", states.joined(separator: ", ")))
    lines.append(("next", nextWords))
    for store in stores {
      lines.append(("store", "\(store.name): \(store.kind)\(store.isWritable ? "" : ", CANNOT BE WRITTEN")"))
    }
    for executor in executors {
      lines.append(
        ("executor", "\(executor.name): \(counted(executor.workers, "worker")), \(counted(executor.runs, "run"))"))
    }
    let lua = memory.luaStates.map { ", \($0 >> 20) MB of kept Lua states" } ?? ""
    lines.append(("memory", "\(memory.resident >> 20) MB\(lua)"))
    return lines
  }

  private var nextWords: String {
    guard let due = loop.nextDue else { return "nothing falls due" }
    // Others may be away: the jobs of this one go on.
    guard due.instant <= now.instant, let store = stores.first(where: { $0.name == loop.nextStore }), !store.isWritable
    else { return due.short }
    return "fell due at \(due.short), and waits for store \(store.name)"
  }
}

extension PauseInfo {
  /// `by ann since 2026-01-01T00:00:00Z: the disk is full`
  var words: String { "by \(by) since \(at.short)" + (reason.map { ": \($0)" } ?? "") }
}
