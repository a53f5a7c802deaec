internal import Chronology
internal import JobModel
internal import TestSupport

/// What happens to hosts and links, and how it stops.
extension ClusterSimulation {
  // MARK: Trouble

  mutating func disturb() {
    let leader = members.indices.first { members[$0].leading != nil && members[$0].isAwake }
    // Mostly the one that matters.
    let victim = random.oneIn(3) ? Int(random.number(0...Int64(members.count - 1))) : leader ?? 0
    switch random.number(0...13) {
    case 0, 1: freezeOrThaw(victim)
    case 2: crashOrReturn(victim)
    case 3, 4: members[victim].isLinked.toggle()
    case 5: members[victim].delays.toggle()
    case 6: members[victim].losesAnswers.toggle()
    case 7: heal()
    case 8, 9: drainOrResume(victim)
    // It breaks, and is back at once.
    case 10, 11: members[leader ?? victim].leading?.view.set(isUp: false, delays: true, losesAnswers: false)
    case 12: members[leader ?? victim].leading?.host.runNow(random.pick(definitions).name)
    default: members[leader ?? victim].leading?.host.emit("event")
    }
    for member in members {
      member.leading?.view.set(isUp: member.isLinked, delays: member.delays, losesAnswers: member.losesAnswers)
    }
  }

  /// Everything heals but what is dead.
  private mutating func heal() {
    for index in members.indices {
      if members[index].isFrozen { freezeOrThaw(index) }
      (members[index].isLinked, members[index].delays, members[index].losesAnswers) = (true, false, false)
    }
  }

  private mutating func freezeOrThaw(_ index: Int) {
    guard !members[index].isDead else { return }
    members[index].isFrozen.toggle()
    if members[index].isFrozen {
      report.freezes += 1
    } else {
      // Its own watch over the lease is the first thing that runs, and its runs end a moment later.
      step(index)
      clock.advance(by: 2_000_000)
      step(index)
    }
  }

  private mutating func crashOrReturn(_ index: Int) {
    if members[index].isDead {
      members[index].isDead = false
      // Another process: it knows nothing of a drain.
      members[index].life += 1
      members[index].isDraining = false
      members[index].beatAt = .min
    } else {
      report.crashes += 1
      stepDown(index)
      members[index].isDead = true
      members[index].isFrozen = false
    }
  }

  private mutating func drainOrResume(_ index: Int) {
    let name = members[index].name
    if drained.remove(name) == nil {
      // The command refuses to drain the last one.
      guard model.alive.contains(where: { $0 != name && !drained.contains($0) }) else { return }
      drained.insert(name)
      report.drains += 1
    }
    model.setDraining(drained.contains(name), of: name)
  }

  /// It leads no more. What it had sent is on its way nevertheless, and may arrive when another one leads.
  mutating func stepDown(_ index: Int) {
    if let view = members[index].leading?.view {
      adrift.append((view, now + random.number(0...2 * Self.lease)))
    }
    members[index].leading?.host.end()
    members[index].leading = nil
    members[index].graceEnds = nil
  }

  // MARK: The end

  /// Faults stop: somebody must lead, what is due must be decided, and what runs must end.
  mutating func calm() {
    guard report.violations.isEmpty else { return }
    heal()
    for index in members.indices {
      if members[index].isDead { crashOrReturn(index) }
      drained.remove(members[index].name)
      model.setDraining(false, of: members[index].name)
      members[index].leading?.view.set(isUp: true, delays: false, losesAnswers: false)
      members[index].leading?.view.deliver()
      members[index].leading?.host.settle()
    }
    pass(10 * 60_000_000_000)
    let leaders = members.compactMap(\.leading)
    guard leaders.count == 1 else {
      if report.violations.isEmpty { report.violations.append("\(leaders.count) hosts lead when faults have stopped") }
      return
    }
    if model.alive.count != members.count {
      report.violations.append("of \(members.count) members \(model.alive.count) are known when faults have stopped")
    }
    declared = []
    leaders[0].host.reload([])
    var hours = 0
    while hours < 200, report.violations.isEmpty, leaders[0].host.running > 0 || hours == 0 || !isSettled {
      hours += 1
      pass(3_600_000_000_000)
    }
    if leaders[0].host.running > 0 {
      report.violations.append("runs go on \(hours) hours after the last job was removed")
    }
  }

  private var isSettled: Bool { model.contents.contents.runs.values.allSatisfy { $0.outcome != nil } }
}
