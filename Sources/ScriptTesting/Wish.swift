internal import Chronology
internal import Hosting
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import SchedulerService
internal import Scheduling

/// What a test asks of its host, in which time may pass.
enum Wish: Sendable {
  case pass(nanoseconds: Int64)
  case reach(Instant)
  case run(job: String, params: JSONText?, within: Int64)
  case emit(String, JSONText?)
  case files(job: String, [WatchedFile])

  /// Why a wish cannot come true: one sentence.
  struct Refusal: Error {
    let text: String
  }

  /// Hands it to the host.
  func begin(in host: TestHost) -> Result<WishProgress, Refusal> {
    let now = host.clock.monotonic.now.nanoseconds
    let since = host.runs.count
    switch self {
    case .pass(let nanoseconds): return pass(nanoseconds, now, since)
    case .reach(let instant):
      let left = instant.nanoseconds(since: host.clock.now)
      guard left >= 0 else {
        return .failure(
          Refusal(
            text: "t:advance_to: \(ISO8601.format(instant, in: .utc)) has passed: in this test it is "
              + ISO8601.format(host.clock.now, in: .utc)))
      }
      return pass(left, now, since)
    case .run(let job, let params, let within):
      if let refusal = Self.unknown(job, host, "t:run") { return .failure(refusal) }
      do throws(SchedulerCore.Refusal) {
        let id = try host.engine.runNow(job, params: params)
        return .success(WishProgress(end: now &+ within, since: since, run: id, within: within))
      } catch { return .failure(Refusal(text: "t:run: \(error.message)")) }
    case .emit(let name, let data):
      host.bridge.emit(name, data: data.map { EventData($0) }) { _ in }
      return pass(0, now, since)
    case .files(let job, let files):
      if let refusal = Self.unknown(job, host, "t:files") { return .failure(refusal) }
      guard host.definition(of: job)?.watch != nil else {
        return .failure(Refusal(text: "t:files: job \"\(job)\" watches for no files"))
      }
      host.engine.post(whenDurable: nil) { core, now, actions in
        core.filesCompleted(files, of: job, at: now, into: &actions)
      }
      return pass(0, now, since)
    }
  }

  private func pass(_ nanoseconds: Int64, _ now: Int64, _ since: Int) -> Result<WishProgress, Refusal> {
    let (end, overflow) = now.addingReportingOverflow(nanoseconds)
    guard !overflow else { return .failure(Refusal(text: "t:advance: that is longer than a clock can show")) }
    return .success(WishProgress(end: end, since: since, run: nil, within: 0))
  }

  static func unknown(_ job: String, _ host: TestHost, _ function: String) -> Refusal? {
    guard host.definition(of: job) == nil else { return nil }
    let hint = closestName(to: job, in: host.setting.jobs.map(\.name)).map { "; did you mean \"\($0)\"?" } ?? ""
    return Refusal(text: "\(function): no job is named \"\(job)\"\(hint)")
  }
}

/// How far a wish is.
struct WishProgress: Sendable {
  /// When it has come true, or can not any more, by the monotonic clock.
  let end: Int64
  /// Runs that had ended before.
  let since: Int
  /// What it waits for; nil: only for the time.
  let run: RunID?
  let within: Int64

  /// The answer, when it is there before the time is over.
  func result(_ host: TestHost) -> LuaValue? {
    guard let run else { return nil }
    return host.runs[since...].first { $0.id == run }.map { host.table(of: $0) }
  }

  /// The answer when the time is over.
  func atEnd(_ host: TestHost) -> [LuaValue] {
    guard let run else {
      return ["done", .table(LuaTable(array: host.runs[min(since, host.runs.count)...].map { host.table(of: $0) }))]
    }
    return [
      "error",
      .string(
        LuaString(
          "t:run: run \(run) has not ended within \(DurationText.format(nanoseconds: within)) of the test's time: "
            + "what it waits for did not come, or it takes longer (t:run(job, { within = … }))")),
    ]
  }
}
