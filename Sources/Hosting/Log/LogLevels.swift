package import JobModel

/// From which level on lines are shown: of the host, and of jobs that have a level of their own.
///
///     LogLevels(.info, jobs: ["noisy": .error, "etl-*": .debug])
package struct LogLevels: Sendable, Equatable {
  /// Of all lines that no other level is for.
  package var standard: LogLevel
  private var named: [String: LogLevel]
  /// Names that begin so; the longest first.
  private var families: [(prefix: String, level: LogLevel)]

  /// - Parameter jobs: by name; a name that ends with `*` is all that begin so.
  package init(_ standard: LogLevel, jobs: [String: LogLevel] = [:]) {
    self.standard = standard
    named = jobs.filter { !$0.key.hasSuffix("*") }
    families = jobs.filter { $0.key.hasSuffix("*") }.map { (String($0.key.dropLast()), $0.value) }
      .sorted { ($0.prefix.utf8.count, $0.prefix) > ($1.prefix.utf8.count, $1.prefix) }
  }

  /// The level of a job; nil: of the host. A name before a family, a longer family before a shorter one.
  package subscript(job: String?) -> LogLevel {
    guard let job, !named.isEmpty || !families.isEmpty else { return standard }
    return named[job] ?? families.first { job.hasPrefix($0.prefix) }?.level ?? standard
  }

  /// The lowest of all: below it nothing is shown.
  package var lowest: LogLevel {
    min(standard, named.values.min() ?? standard, families.map(\.level).min() ?? standard)
  }

  package static func == (a: LogLevels, b: LogLevels) -> Bool {
    a.standard == b.standard && a.named == b.named && a.families.elementsEqual(b.families) { $0 == $1 }
  }
}
