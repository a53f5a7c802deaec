internal import Basics
package import Hosting

/// What lives as long as a scheduler runs, and knows what it is made of: other libraries of this package.
package protocol SchedulerCompanion: AnyObject, Sendable {
  /// The scheduler runs. Called once.
  func begin(_ assembly: SchedulerAssembly)
  /// Nothing runs any more, and the stores still answer. Called once, after `begin`.
  func end()
}

extension Scheduler {
  /// Takes a companion in. Throws when the scheduler has stopped.
  package func attach(_ companion: any SchedulerCompanion) throws(SchedulerError) {
    let assembly = try state.withLock { state throws(SchedulerError) -> SchedulerAssembly? in
      switch state.phase {
      case .stopping, .stopped:
        throw SchedulerError(.state, "the scheduler has stopped: make another one")
      case .new, .starting:
        state.companions.append(companion)
        return nil
      case .running(let assembly):
        state.companions.append(companion)
        // Until the start is over, it begins with the others.
        return state.hasBegun ? assembly : nil
      }
    }
    if let assembly { companion.begin(assembly) }
  }

  /// The jobs run.
  func beginCompanions(_ assembly: SchedulerAssembly) {
    let companions = state.withLock { state in
      state.hasBegun = true
      return state.companions
    }
    for companion in companions { companion.begin(assembly) }
  }

  func endCompanions() {
    let companions = state.withLock { state in
      defer { state.companions = [] }
      return state.companions
    }
    for companion in companions { companion.end() }
  }
}
