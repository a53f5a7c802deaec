import ArgumentParser
import Glibc
import Hosting
import JobModel
import Lua
import SQLiteStore

struct ForgetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Drop what the store keeps of a job that no script declares any more, in case it returns. Its runs stay.",
    discussion: """
      Example:
        moondial list --orphans
        moondial forget old-report
      Where its schedule stands goes, and so do schedules made for it at run time, runs that wait and marks of files.
      """)

  @Argument(help: "The job's name.") var job: String
  @OptionGroup var options: StoreOptions

  func run() throws {
    guard case .file = FileKind(options.path) else {
      throw CommandFailure(
        "there is no store \(options.path): name the state directory with --state DIR, or start a host first")
    }
    let result: SQLiteStore.Forgetting
    let orphans: [String]
    let isHosted: Bool
    do {
      let store = try SQLiteStore(options.path, mode: .beside)
      defer { store.close() }
      result = try store.forget(job)
      orphans = Array(Set(try store.schedules().filter { $0.orphanedAt != nil }.map(\.job))).sorted()
      isHosted = store.isHosted
    } catch { throw CommandFailure("\(error)") }
    switch result {
    case .forgotten:
      Terminal.line("\(job) is forgotten; its runs stay in the history for as long as retention says")
      if isHosted { Terminal.line("the host that is up knows it until it ends, should its script return before") }
    case .unknown:
      let close = closestName(to: job, in: orphans).map { " (did you mean \"\($0)\"?)" } ?? ""
      throw CommandFailure(.usage, "the store keeps no job named \"\(job)\"\(close): see `moondial list --orphans`")
    case .declared:
      throw CommandFailure(
        "\(job) is no orphan: a script declares it, or did when a host was last up; remove it there first")
    }
  }
}
