import Basics
import FoundationEssentials
import HostClient
import Hosting
import JobModel
import Synchronization

/// Waits for a run that is about to be asked for, and shows what it logs if that is wanted.
///
/// The streams are open before the run is there, so that nothing of it is missed however short it is.
struct RunWatch {
  let client: HostClient
  let job: String
  let follows: Bool

  init(_ client: HostClient, job: String, follows: Bool) {
    self.client = client
    self.job = job
    self.follows = follows
  }

  private struct State: Sendable {
    var isOpen = false
    var failure: ClientFailure?
    var run: Int64?
    /// Runs of the job that have ended since.
    var ended: Set<Int64> = []
    var isOver = false
  }

  /// Asks for a run, waits for its end, and says how it ended. Exit code 0 only if it succeeded.
  func run(printsJSON: Bool, _ ask: () throws -> AcceptedRun) throws {
    let state = Monitor(State())
    let printer = LogPrinter(client)
    let events = try thread("moondial-events") { [client, job] in
      listen(client, "events", [("job", job), ("type", "run_finished")], state) { frame, state in
        guard frame.event != "gap" else { return }
        if let event = try? JSONDecoder().decode(EventAnswer.self, from: Data(frame.data.utf8)), let run = event.run {
          state.ended.insert(run)
        }
      }
    }
    defer { events.abandon() }
    _ = state.wait { $0.isOpen || $0.failure != nil ? true : nil }
    if let failure = state.withLock({ $0.failure }) { throw CommandFailure(failure) }
    let accepted = try ask()
    if !printsJSON { Terminal.error("run \(accepted.id) of \(accepted.job)") }
    state.withLock { $0.run = accepted.id }
    let lines = follows ? try printer.follow(run: accepted.id) : nil
    defer { lines?.abandon() }
    let isOver = state.wait { state -> Bool? in
      if state.ended.contains(accepted.id) { return true }
      return state.failure != nil || state.isOver ? false : nil
    }
    guard isOver == true else {
      let failure = state.withLock { $0.failure }
      throw CommandFailure(
        failure.map { "\($0); run \(accepted.id) may go on" }
          ?? "the host ended before run \(accepted.id) had: the next one says what became of it")
    }
    if follows { try printer.rest(of: accepted.id) }
    try finish(accepted.id, printsJSON)
  }

  private func finish(_ run: Int64, _ printsJSON: Bool) throws {
    let path = HostClient.path("runs", "\(run)")
    let answer = try client.get(RunAnswer.self, path)
    if printsJSON { try client.printJSON("GET", path) } else { Terminal.line(answer.ending) }
    if answer.outcome != .succeeded { throw CommandFailure.silent }
  }

  private func listen(
    _ client: HostClient, _ path: String, _ query: [(name: String, value: String?)], _ state: Monitor<State>,
    _ take: @escaping @Sendable (StreamFrame, inout State) -> Void
  ) {
    do throws(ClientFailure) {
      try client.stream(
        HostClient.path(path), query: query,
        opened: { state.change { $0.isOpen = true } }
      ) { frame in
        state.change { take(frame, &$0) }
        return true
      }
      state.change { $0.isOver = true }
    } catch { state.change { $0.failure = error } }
  }
}

/// A thread that is not waited for: the process ends with the command.
func thread(_ name: String, _ body: @escaping @Sendable () -> Void) throws -> NamedThread {
  do { return try NamedThread(name, body) } catch { throw CommandFailure("\(error)") }
}

extension RunAnswer {
  /// `succeeded in 12 ms → {"rows":3}`
  var ending: String {
    let took = durationMilliseconds.map { " in \(TimeFormat.span(Int64($0 * 1e6)))" } ?? ""
    let result = result.map { " → \($0.text)" } ?? ""
    return "run \(id) of \(job) \(outcome?.rawValue ?? "ended")\(took)\(error.map { ": \($0.message)" } ?? result)"
  }
}
