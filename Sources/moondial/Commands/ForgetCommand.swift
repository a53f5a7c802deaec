import ArgumentParser
import Glibc
import Hosting
import JobModel
import Lua

struct ForgetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Drop what the store keeps of a job that no script declares any more, in case it returns. Its runs stay.",
    discussion: """
      Example:
        moondial list --orphans
        moondial forget old-report
      Where its schedule stands goes, and so do dynamic schedules, runs that wait and marks of files.
      """)

  @Argument(help: "The job's name.") var job: String
  @OptionGroup var options: StoreOptions

  func run() throws {
    let known = try options.open()
    var isHosted = false
    var results: [Forgetting] = []
    for member in known.members where member.store is any ForgettingStore {
      try ReadStores.orFail {
        let store = try known.openAlongside(member)
        defer { store.close() }
        guard let forgetting = store as? any ForgettingStore else { return }
        results.append(try forgetting.forget(job))
        isHosted = isHosted || member.store.isHosted
      }
    }
    if results.isEmpty {
      throw CommandFailure(
        "\(known.members[0].store.location) cannot forget a job: its host does, when no script has it")
    }
    if results.contains(.forgotten) {
      Terminal.line("\(job) is forgotten; its runs stay in the history for as long as retention says")
      if isHosted { Terminal.line("the host that is up knows it until it ends, should its script return before") }
    } else if case .underWay(let run)? = results.first(where: { if case .underWay = $0 { true } else { false } }) {
      throw CommandFailure(
        "run \(run) of \(job) has begun, and the host that is up keeps it for its job: stop the host, and then forget \(job)"
      )
    } else if results.contains(.declared) {
      throw CommandFailure(
        "\(job) is no orphan: a script declares it, or did when a host was last up; remove it there first")
    } else {
      let orphans = try ReadStores.orFail {
        try known.members.flatMap { try $0.store.schedules().filter { $0.orphanedAt != nil }.map(\.job) }
      }
      throw CommandFailure(
        "no store keeps a job named \"\(job)\" for its return\(JobLookup.hint(job, Set(orphans).sorted())): see "
          + "`moondial list --orphans`")
    }
  }
}
