public import Logging
public import MoondialScheduler

extension Log {
  /// Lines go to a logger of swift-log, as many as its level lets through, with job, run and fields as metadata.
  public static func logger(_ logger: Logger) -> Log {
    .custom(Level(logger.logLevel)) { line in
      var metadata: Logger.Metadata = [:]
      if let job = line.job { metadata["job"] = "\(job)" }
      if let run = line.run { metadata["run"] = "\(run)" }
      if let fields = line.fields { metadata["fields"] = "\(fields.text)" }
      logger.log(level: line.level.inLogger, "\(line.message)", metadata: metadata)
    }
  }
}

extension Log.Level {
  fileprivate init(_ level: Logger.Level) {
    switch level {
    case .trace, .debug: self = .debug
    case .info, .notice: self = .info
    case .warning: self = .warn
    case .error, .critical: self = .error
    }
  }

  fileprivate var inLogger: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warn: .warning
    case .error: .error
    }
  }
}
