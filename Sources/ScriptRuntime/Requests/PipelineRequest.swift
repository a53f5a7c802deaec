internal import Basics
internal import Glibc
internal import Lua
internal import Synchronization

/// The programs of a run that outlive one wait: pipelines, and those whose lines are told as they come.
///
/// Kept by the run: when it ends, whatever is left of them is told to end.
package final class RunPipelines: Sendable {
  package static let most = 16

  private struct State: Sendable {
    var next = 0
    var open: [Int: ExecPipeline] = [:]
  }
  private let state = Mutex(State())

  package static func of(_ run: RunContext) -> RunPipelines { run.kept("exec") { RunPipelines() } }

  /// nil: the run has too many.
  package func add(_ pipeline: ExecPipeline) -> Int? {
    state.withLock { state in
      guard state.open.count < Self.most else { return nil }
      state.next += 1
      state.open[state.next] = pipeline
      return state.next
    }
  }

  package subscript(number: Int) -> ExecPipeline? { state.withLock { $0.open[number] } }

  /// Those that still run are told to end.
  package func close(_ number: Int) { state.withLock { $0.open.removeValue(forKey: number) }?.pipeline.abandon() }
}

/// Programs with what their run needs to wait for them.
package struct ExecPipeline: Sendable {
  package let pipeline: ChildPipeline
  let names: [[UInt8]]
  let directory: [UInt8]
  let rooms: [AnswerReservation]
  /// Monotonic nanoseconds; `.max`: never.
  let until: Int64

  package init(
    pipeline: ChildPipeline, names: [[UInt8]], directory: [UInt8], rooms: [AnswerReservation], until: Int64
  ) {
    self.pipeline = pipeline
    self.names = names
    self.directory = directory
    self.rooms = rooms
    self.until = until
  }

  /// Pushes what all came to: that of a single `exec`, with `codes` of each program.
  func push(_ results: [ChildResult], timedOut: Bool, _ call: inout LuaCall) -> LuaReturn {
    for room in rooms { room.release() }
    guard let last = results.last else { return .none }
    // As `set -o pipefail` has it: that of the last one that failed.
    let deciding = results.last { $0.code != 0 } ?? last
    // In the order of the programs: each says what it says whenever it likes.
    let errors = results.flatMap { $0.errors.bytes }
    call.push(deciding.code)
    call.push(last.output.bytes)
    call.push(errors)
    call.push(timedOut)
    call.push(last.output.isTruncated || results.contains { $0.errors.isTruncated })
    call.push(last.output.omitted)
    call.push(results.reduce(0) { $0 + $1.errors.omitted })
    if let signal = deciding.signal { call.push(signal) } else { call.pushNil() }
    call.push(.table(LuaTable(array: results.map { .integer(Int64($0.code)) })))
    call.pushRecord([
      "code", "stdout", "stderr", "timed_out", "truncated", "stdout_omitted", "stderr_omitted", "signal", "codes",
    ])
    return .results(1)
  }
}

/// Waits for the next lines of a pipeline, or for its end.
///
/// It answers a list of `{ text, is_error }`; or nil and the result; or nil, nil and why there is none.
package final class PipelineRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let waited: ExecPipeline

  package init(_ waited: ExecPipeline) { self.waited = waited }

  package override func begin() { look() }

  package override var expiry: Int64 { waited.until }
  /// Out of time: the answer comes when they have ended.
  package override func expire() { waited.pipeline.expire() }

  private func look() {
    guard isOpen else { return }
    if let stream = waited.pipeline.stream {
      // A line, or the end of all of them.
      guard let lines = stream.take(whenReady: { [weak self] in self?.look() }) else { return lookForEnd() }
      guard !lines.isEmpty else { return }
      complete(building: { call in
        call.push(
          .table(
            LuaTable(
              array: lines.map { .table(LuaTable(array: [.string(LuaString(bytes: $0.bytes)), .bool($0.isError)])) })))
        return .results(1)
      })
    } else {
      lookForEnd()
    }
  }

  private func lookForEnd() {
    let waited = waited
    switch waited.pipeline.result(whenOver: { [weak self] in self?.look() }) {
    case nil: return
    case .failed(let index, let failure):
      let message = ExecRequest.message(failure, program: waited.names[index], directory: waited.directory)
      complete([.nil, .nil, .string(LuaString(message))])
    case .ended(let results, let timedOut):
      complete(building: { call in
        call.pushNil()
        _ = waited.push(results, timedOut: timedOut, &call)
        return .results(2)
      })
    }
  }
}
