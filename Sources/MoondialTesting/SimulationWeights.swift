package import TestSupport

/// How often each kind of trouble comes in a simulated scenario: about once in so many steps, nil never.
///
/// Drawn by seed, each kind is switched off in a quarter of all scenarios and its rate varies widely in the others
/// ("swarm testing": Groce et al., 2012). A scenario without crashes lets queues grow long, one without reloads lets a
/// job fire for days: states that a mixture of everything never reaches.
package struct SimulationWeights: Sendable {
  package var crash: Int? = 25
  package var storeFault: Int? = 15
  package var clockStep: Int? = 40
  package var reload: Int? = 20
  package var pause: Int? = 12
  package var resume: Int? = 6
  package var runNow: Int? = 12
  package var cancel: Int? = 12
  package var emit: Int? = 12
  package var schedule: Int? = 4
  package var unschedule: Int? = 30
  /// Another host takes the store, and the one that had it goes on for as long as the scenario lasts. Not drawn: only
  /// scenarios that are about it have it.
  package var takeOver: Int?
  /// Claimed runs that have not started, at most. At least 1.
  package var window = 16

  package init() {}

  package static func drawn(_ random: inout SeededGenerator) -> SimulationWeights {
    var weights = SimulationWeights()
    let kinds: [WritableKeyPath<SimulationWeights, Int?>] = [
      \.crash, \.storeFault, \.clockStep, \.reload, \.pause, \.resume, \.runNow, \.cancel, \.emit, \.schedule,
      \.unschedule,
    ]
    for kind in kinds { weights[keyPath: kind] = random.oneIn(4) ? nil : Int(random.number(3...60)) }
    weights.window = Int(random.number(1...16))
    return weights
  }

  /// Draws whether something of this weight happens in a step.
  func happens(_ weight: Int?, _ random: inout SeededGenerator) -> Bool { weight.map { random.oneIn($0) } ?? false }
}
