/// A run that somebody asks for.
package struct RunRequest: Sendable, Codable, Equatable {
  package var job: String
  /// An object; over the job's own.
  package var params: JSONDocument?

  package init(job: String, params: JSONDocument? = nil) {
    self.job = job
    self.params = params
  }
}

/// A run that was accepted and is durable.
package struct AcceptedRun: Sendable, Codable, Equatable {
  package var id: Int64
  package var job: String
  /// The run that this one tries again.
  package var retryOf: Int64?

  private enum CodingKeys: String, CodingKey {
    case id, job
    case retryOf = "retry_of"
  }

  package init(id: Int64, job: String, retryOf: Int64? = nil) {
    self.id = id
    self.job = job
    self.retryOf = retryOf
  }
}

/// What became of a cancel.
package struct CancelAnswer: Sendable, Codable, Equatable {
  package enum State: String, Sendable, Codable, CaseIterable {
    /// No thread worked at it: it has ended as cancelled.
    case cancelled
    /// It runs, and was told to end.
    case cancelling
  }
  package var id: Int64
  package var job: String
  package var state: State
  /// Where it stood.
  package var before: Before

  package enum Before: String, Sendable, Codable, CaseIterable {
    case waiting, running, retrying, parked, stuck

    init(_ phase: RunPhase) {
      self =
        switch phase {
        case .waiting: .waiting
        case .running, .leftOver: .running
        case .retrying: .retrying
        case .parked: .parked
        case .stuck: .stuck
        }
    }
  }

  package init(id: Int64, job: String, state: State, before: Before) {
    self.id = id
    self.job = job
    self.state = state
    self.before = before
  }
}

extension CancelAnswer {
  /// What was done, for people.
  package var words: String {
    guard state == .cancelled else { return "run \(id) of \(job) is told to end" }
    let stood =
      switch before {
      case .waiting: "it had not started"
      case .retrying: "it waited for its next attempt"
      case .parked: "it was parked"
      case .running, .stuck: "it was about to end"
      }
    return "run \(id) of \(job) is cancelled: \(stood)"
  }
}
