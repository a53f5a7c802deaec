/// A job after whose runs another job runs, and after which of them: one entry of `after`.
///
///     after = { job = "backup", outcome = "failed" }
package struct Upstream: Sendable, Hashable, ExpressibleByStringLiteral {
  /// Which ends of a run count.
  package enum Trigger: String, Sendable, Hashable, CaseIterable {
    case succeeded
    /// Ended without success, and nobody had asked for that: see ``Outcome/isFailure``.
    case failed
    /// Ended, whatever came of it; also cancelled and interrupted.
    case any

    package func includes(_ outcome: Outcome) -> Bool {
      switch self {
      case .succeeded: outcome == .succeeded
      case .failed: outcome.isFailure
      case .any: true
      }
    }
  }

  /// Its name.
  package var job: String
  package var trigger: Trigger

  package init(_ job: String, _ trigger: Trigger = .succeeded) {
    self.job = job
    self.trigger = trigger
  }

  package init(stringLiteral job: String) { self.init(job) }
}

extension JobDefinition {
  /// `after backup; after a failure of sync`: after which runs it runs, as one phrase; nil: after none.
  package var afterInWords: String? {
    var parts: [String] = []
    let plain = after.filter { $0.trigger == .succeeded }.map(\.job)
    if !plain.isEmpty { parts.append("after " + plain.joined(separator: ", ")) }
    for upstream in after {
      switch upstream.trigger {
      case .succeeded: continue
      case .failed: parts.append("after a failure of \(upstream.job)")
      case .any: parts.append("after any run of \(upstream.job)")
      }
    }
    if !afterAll.isEmpty { parts.append("after all of " + afterAll.joined(separator: ", ")) }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }
}

/// A success that a join (`after = { all = … }`) has seen and waits with for the others.
package struct UpstreamArrival: Sendable, Hashable {
  /// The job that has succeeded.
  package var job: String
  /// Its latest run that did.
  package var run: RunID

  package init(job: String, run: RunID) {
    self.job = job
    self.run = run
  }
}
