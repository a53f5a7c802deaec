internal import Chronology
internal import Hosting
internal import JobModel

/// The parameters that several routes have, each with its name and its bounds in one place.
enum Parameters {
  static let ifNoneMatch = Route.Parameter(
    "If-None-Match", in: .header, .string(), "the ETag of an answer that the client has")
  static let lastEventID = Route.Parameter(
    "Last-Event-ID", in: .header, .string(length: 0...64), "the id of the last event that the client has")
  static let jobName = Route.Parameter("name", in: .path, .string(length: 1...1_000), "the job's name")
  static let runID = Route.Parameter("id", in: .path, .integer(1...Int64.max), "the run's number")
  static let scheduleID = Route.Parameter("id", in: .path, .string(length: 1...1_000), "the schedule's id")
  static let after = Route.Parameter("after", .string(length: 1...500), "next of the page before")
  static let limit = Route.Parameter("limit", .integer(1...Int64(PageLimit.most)), "items at most (100)")
  static let job = Route.Parameter("job", .string(length: 1...1_000), "of this job")
  static let tag = Route.Parameter("tag", .string(length: 1...1_000), "of jobs with this tag")
  static let from = Route.Parameter("from", .string(format: "date-time"), "at or after this time")
  static let to = Route.Parameter("to", .string(format: "date-time"), "before this time")
  static let text = Route.Parameter("text", .string(length: 1...1_000), "with this text in it, in any case")
  static let level = Route.Parameter(
    "level", .string(choices: LogLevel.allCases.map(\.rawValue)), "this level and those above")
}

extension APICall {
  /// A parameter of the path.
  func path(_ name: String) -> String { arguments[name] ?? "" }

  /// The run that the path names.
  func run() throws(ProblemDetails) -> RunID {
    guard let run = RunID(path("id")) else {
      throw .invalid("\(AnswerEncoder.quoted(path("id"))) is no run: its number is a whole number from 1 up")
    }
    return run
  }

  func string(_ name: String) throws(ProblemDetails) -> String? {
    let values = target.query.filter { $0.name == name }
    guard values.count <= 1 else { throw .invalid("say \(name) once") }
    guard let value = values.first?.value else { return nil }
    guard !value.isEmpty, value.utf8.count <= 1_000 else {
      throw .invalid("\(name) has \(value.utf8.count) bytes: give 1 to 1,000")
    }
    return value
  }

  func integer(_ name: String, in range: ClosedRange<Int>) throws(ProblemDetails) -> Int? {
    guard let text = try string(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw .invalid("\(name)=\(text) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func bool(_ name: String) throws(ProblemDetails) -> Bool? {
    switch try string(name) {
    case nil: return nil
    case "true": return true
    case "false": return false
    case let text?: throw .invalid("\(name)=\(text) must be true or false")
    }
  }

  func choice<C: CaseIterable & RawRepresentable>(
    _ name: String, _ type: C.Type
  ) throws(ProblemDetails) -> C? where C.RawValue == String {
    guard let text = try string(name) else { return nil }
    guard let value = C(rawValue: text) else {
      let all = C.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalid("\(name)=\(text) must be one of \(all)")
    }
    return value
  }

  /// ISO 8601 with an offset, or in UTC where it has none.
  func instant(_ name: String) throws(ProblemDetails) -> Instant? {
    guard var text = try string(name) else { return nil }
    // A plus sign that was not written as %2B.
    if let space = text.lastIndex(of: " "), text[space...].contains(":"), text[..<space].contains(":") {
      text.replaceSubrange(space...space, with: "+")
    }
    do { return try ISO8601.parse(text).instant(in: .utc) } catch {
      throw .invalid("\(name)=\(text): \(error.message)")
    }
  }

  func cursor() throws(ProblemDetails) -> PageCursor? { try string("after").map { PageCursor($0) } }

  func limit(standard: Int = PageLimit.standard) throws(ProblemDetails) -> Int {
    try integer("limit", in: 1...PageLimit.most) ?? standard
  }
}
