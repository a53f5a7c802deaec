internal import Glibc

/// How a host's log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
  /// `time level job #run: message`: for people.
  case text
  /// As text, without the time, which the journal has itself, and with the priority that it reads before each line.
  case journal
  /// One object a line.
  case json

  /// What fits who reads standard error: the journal says in `JOURNAL_STREAM` that it does (systemd.exec(5)).
  package static func automatic(environment: [String: String]) -> LogFormat {
    guard let stream = environment["JOURNAL_STREAM"] else { return .text }
    var status = stat()
    // Safe: fills the local struct; on failure it is not read.
    guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return .text }
    // Somebody may have redirected it since.
    return stream == "\(status.st_dev):\(status.st_ino)" ? .journal : .text
  }
}
