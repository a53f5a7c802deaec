internal import Basics
internal import Chronology
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

/// What a leader tells a member of a run.
struct RunInstructions: Sendable, Equatable {
  /// As ``JobReach`` names what the job is.
  var digest: String
  /// The files of all scripts, where the job needs them to be the same; empty: it does not.
  var scripts: String
  var executor: String
  var scheduledAt: Instant
  var missed: Int
  var startBefore: Instant?
  var params: JSONText?
  var event: JSONText?
  var schedule: String?

  init(_ order: RunOrder, digest: String, scripts: String, executor: String) {
    self.digest = digest
    self.scripts = scripts
    self.executor = executor
    scheduledAt = order.scheduledAt
    missed = order.missed
    startBefore = order.startBefore
    params = order.context?.params
    event = order.context?.event
    schedule = order.context?.schedule
  }

  private static let version: UInt8 = 1

  var bytes: [UInt8] {
    var writer = WireWriter()
    writer.write(Self.version)
    writer.write(digest)
    writer.write(scripts)
    writer.write(executor)
    writer.write(scheduledAt.nanoseconds)
    writer.write(missed)
    writer.write(startBefore?.nanoseconds)
    writer.write(params?.text)
    writer.write(event?.text)
    writer.write(schedule)
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws(WireError) {
    var reader = WireReader(bytes[...])
    guard try reader.number(UInt8.self) == Self.version else {
      throw WireError("it was placed by another version of moondial")
    }
    digest = try reader.text()
    scripts = try reader.text()
    executor = try reader.text()
    scheduledAt = Instant(nanoseconds: try reader.number())
    missed = try reader.int()
    startBefore = try reader.optionalNumber().map { Instant(nanoseconds: $0) }
    params = try reader.optionalText().map { JSONText($0) }
    event = try reader.optionalText().map { JSONText($0) }
    schedule = try reader.optionalText()
    try reader.end()
  }

  func order(_ token: RunToken, _ placement: RunPlacement, _ definition: JobDefinition) -> RunOrder {
    let isPlain = params == nil && event == nil && schedule == nil
    return RunOrder(
      token: token, id: placement.run, job: JobEntry(definition), attempt: placement.attempt, scheduledAt: scheduledAt,
      missed: missed, startBefore: startBefore,
      context: isPlain ? nil : OrderContext(params: params, event: event, schedule: schedule))
  }
}

/// How a run ended on a member, as it tells the leader: the message that a worker process tells its host.
enum PlacedEnding {
  static func bytes(_ report: RunReport) -> [UInt8] {
    let result = WorkerResult(
      outcome: report.outcome, duration: report.duration, memoryPeakBytes: report.memoryPeakBytes,
      details: report.details, isReusable: report.kind != .late)
    return WorkerMessage.ended(0, result).frame
  }

  /// - Throws: one clause, when the bytes are of another version.
  static func report(_ bytes: [UInt8], of run: RunID, _ token: RunToken, startedAt: Instant) throws(WireError)
    -> RunReport
  {
    guard bytes.count > Frame.head, case .ended(_, let result) = try WorkerMessage(bytes[Frame.head...]) else {
      throw WireError("no message about an end")
    }
    var details = result.details
    if var step = details?.park {
      step.run = run
      details = AttemptDetails(
        error: details?.error, result: details?.result, retry: details?.retry, isFinal: details?.isFinal ?? false,
        park: step)
    }
    return RunReport(
      token: token, kind: result.isReusable ? .ended : .late, outcome: result.outcome, startedAt: startedAt,
      duration: result.duration, memoryPeakBytes: result.memoryPeakBytes, details: details)
  }
}

/// Why a member does not run something, or gave it up.
struct PlacedRefusal: Sendable, Equatable {
  /// The end of a sentence that begins with the member's name.
  var why: String
  /// Names the files by which it was judged, so that it holds until the member has others; nil: it passes by itself.
  var scripts: String?

  init(why: String, scripts: String? = nil) {
    self.why = why
    self.scripts = scripts
  }

  var bytes: [UInt8] {
    var writer = WireWriter()
    writer.write(why)
    writer.write(scripts)
    return writer.bytes
  }

  /// What cannot be read passes by itself, and says so.
  init(_ bytes: [UInt8]) {
    self.init(why: "", scripts: nil)
    do throws(WireError) {
      var reader = WireReader(bytes[...])
      why = try reader.text()
      scripts = try reader.optionalText()
      try reader.end()
    } catch {
      (why, scripts) = ("says something that cannot be read: \(error)", nil)
    }
  }
}
