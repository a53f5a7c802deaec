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

/// Jobs that would run after each other for ever: each after the next one, the last after the first.
package enum AfterCircle {
  /// A circle of `after` that goes through `name`, from its smallest name on, so that the same circle always reads the
  /// same; nil: there is none. O(jobs that are upstream of it).
  ///
  /// - Parameter upstreams: the jobs after which a job runs.
  package static func find(through name: String, _ upstreams: (String) -> [String]) -> [String]? {
    // Depth first and without recursion; the path is the circle when it comes back to `name`.
    var path: [(name: String, rest: ArraySlice<String>)] = [(name, upstreams(name)[...])]
    var seen: Set<String> = [name]
    while let next = path[path.count - 1].rest.popFirst() ?? leave(&path) {
      if next == name { return rotated(path.map(\.name)) }
      if seen.insert(next).inserted { path.append((next, upstreams(next)[...])) }
    }
    return nil
  }

  /// Goes back to the last job of the path that has somewhere else to go; nil: there is none.
  private static func leave(_ path: inout [(name: String, rest: ArraySlice<String>)]) -> String? {
    while path.count > 1 {
      path.removeLast()
      if let next = path[path.count - 1].rest.popFirst() { return next }
    }
    return nil
  }

  private static func rotated(_ circle: [String]) -> [String] {
    let start = circle.indices.min { circle[$0] < circle[$1] } ?? 0
    return Array(circle[start...] + circle[..<start])
  }

  /// What to say of a circle at one of its jobs.
  package static func sentence(_ circle: [String], at job: String) -> String {
    let shown = (circle + circle.prefix(1)).map { "\"\($0)\"" }.joined(separator: " after ")
    return "job \"\(job)\" would wait for itself: \(shown); remove one of them"
  }
}

/// A success that a join (`after = { all = … }`) has seen and waits with for the others.
package struct UpstreamArrival: Sendable, Hashable {
  /// The job that has succeeded.
  package var job: String
  /// Its latest run that did.
  package var run: RunID
  /// What that run returned. A store keeps it with the run and not here, so two arrivals of one run are equal.
  package var result: JSONText?

  /// Bytes of results that one join keeps: as much as one result may have unless a setting says otherwise.
  package static let mostResultBytes = Quotas().resultBytes

  package init(job: String, run: RunID, result: JSONText? = nil) {
    self.job = job
    self.run = run
    self.result = result
  }

  package static func == (a: UpstreamArrival, b: UpstreamArrival) -> Bool { a.job == b.job && a.run == b.run }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(job)
    hasher.combine(run)
  }
}
