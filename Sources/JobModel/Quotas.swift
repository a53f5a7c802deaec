/// How much one script, one job or one run may take of what all of them share: the `quotas` of `moondial.lua`.
///
/// Plain values; who hands something out compares it with them. At a quota the script gets one sentence that says the
/// figure and the setting (``message(_:_:)``). A reload takes them over.
package struct Quotas: Sendable, Hashable {
  // MARK: How many

  /// Dynamic schedules that one job may have at a time (`jobs.schedule`).
  package var schedulesPerJob = 10_000
  /// Series of `metric` of one script.
  package var metricSeriesPerScript = 1_000

  /// Calls of `job` of one script.
  package var jobsPerScript = 100_000
  /// Jobs of all scripts together.
  package var jobs = 500_000
  /// Parts of the trigger values that one script makes, and of those that its jobs use.
  package var triggerPartsPerScript = 1_000_000
  /// Nanoseconds that one script may take to load, with everything that the host does on its behalf.
  package var loadTimeout: Int64 = 30_000_000_000

  // MARK: How many bytes together

  /// Tables and values that one script hands to `job`, `job_defaults` and trigger constructors.
  package var declaredBytesPerScript = 64 << 20

  /// What one run may log.
  package var logBytesPerRun = 1 << 20
  /// Log lines of one job that a store keeps; older ones make room.
  package var logBytesPerJob = 16 << 20
  /// Log lines that a store keeps; older ones make room.
  package var logStoreBytes = 256 << 20
  /// Keys and values of one script in `kv`.
  package var kvBytesPerScript = 64 << 20
  /// Names and labels of one script's series of `metric`.
  package var metricLabelBytes = 1 << 20

  // MARK: How large one may be

  /// Data of an event, as JSON.
  package var eventBytes = 1 << 20
  /// Parameters of a job, a run or a schedule, as JSON.
  package var paramsBytes = 256 << 10
  /// The result of `run`, as JSON.
  package var resultBytes = 256 << 10
  /// A value in `kv`, as JSON.
  package var kvValueBytes = 1 << 20
  /// The message of a log line, and its fields.
  package var logLineBytes = 16 << 10
  /// What a script may ask for as `memory`.
  package var maxMemory = 4 << 30
  /// What a script may ask for as `timeout`, in nanoseconds; nil: any.
  package var maxTimeout: Int64? = 30 * 86_400 * 1_000_000_000

  package init() {}

  /// Bytes of an event's name, of a key of `kv`, of a job's description, of one tag.
  package static let eventNameBytes = 200
  package static let kvKeyBytes = 512
  package static let descriptionBytes = 4_096
  package static let tagBytes = 200
  /// Tags of a job.
  package static let tags = 100
  /// Bytes of an error's message, its file's name, its traceback and its data, as the history keeps them.
  package static let errorMessageBytes = 4_096
  package static let errorFileBytes = 1_024
  package static let tracebackBytes = 16 << 10
  package static let errorDataBytes = 64 << 10
  /// Steps of one run, its sleeps and waits among them, and bytes of a step's name.
  package static let stepsPerRun = 10_000
  package static let stepNameBytes = 200
  /// Bytes of all results of a run's steps, beyond which it begins no more.
  package static let stepBytesPerRun = 16 << 20
  /// Changes of one transaction, and of one outbox.
  package static let transactionChanges = 10_000
  /// Bytes of the keys, values and data of one transaction, and of one outbox.
  package static let transactionBytes = 4 << 20
  /// Bytes of the text of `ctx:progress`.
  package static let progressBytes = 1_024

  /// "what; SETTING in the quotas of moondial.lua raises it": the end of every message about a quota.
  package static func message(_ what: String, _ setting: String) -> String {
    "\(what) (quotas.\(setting) in moondial.lua)"
  }
}

extension String {
  /// The text itself, or its beginning and how much was cut, when it has more than `limit` bytes of UTF-8. Cuts between
  /// characters.
  ///
  /// - Parameter whole: the bytes of the text that this one is the beginning of; nil: it is all of it.
  package func cut(toBytes limit: Int, of whole: Int? = nil) -> String {
    let size = whole ?? utf8.count
    guard size > limit else { return self }
    var end = utf8.index(utf8.startIndex, offsetBy: min(limit, utf8.count))
    while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
    return "\(self[..<end])… (cut: \(size) bytes, \(limit) are kept)"
  }
}
