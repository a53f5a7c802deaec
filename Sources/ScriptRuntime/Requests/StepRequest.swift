package import JobModel
internal import Lua

/// Asks for the steps that a run has done; then the call begins again, and finds them (``LoadedSteps``).
package final class StepsRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let keeper: any RunKeeper
  private let run: RunID
  private let function: String

  package init(_ keeper: any RunKeeper, of run: RunID, for function: String) {
    self.keeper = keeper
    self.run = run
    self.function = function
  }

  package override func begin() {
    keeper.steps(of: run) { [self] result in
      switch result {
      case .success(let steps): repeatCall(with: LoadedSteps(steps))
      case .failure(let error): complete(raising: "\(function): the steps of this run cannot be read: \(error.message)")
      }
    }
  }
}

/// What `StepsRequest` has found.
package final class LoadedSteps: Sendable {
  package let steps: [RunStep]
  init(_ steps: [RunStep]) { self.steps = steps }
}

/// A run that parks: nobody answers, and the run ends with the step of its journal.
package final class ParkRequest: HostRequest, @unchecked Sendable {
  // @unchecked: it has nothing.
  package override init() { super.init() }
}
