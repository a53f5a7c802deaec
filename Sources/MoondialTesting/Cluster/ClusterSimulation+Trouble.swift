internal import Chronology
internal import Hosting
internal import JobModel
internal import TestSupport

/// What happens to hosts and links, and how it stops.
extension ClusterSimulation {
  // MARK: Trouble

  /// What may happen to a host, and what may be asked of the one that leads.
  package enum Trouble: Sendable {
    case freeze, crash, link, delays, answers, heal, drain
    /// The leader's link breaks, and is back at once.
    case glitch
    case run, cancel, event
    /// Its beats do not arrive.
    case mute
    /// It gets other scripts.
    case edit

    /// Of a story that has some of each, as often as each is here.
    package static let all: [Trouble] = [
      .freeze, .freeze, .crash, .link, .link, .delays, .answers, .heal, .drain, .drain, .glitch, .glitch, .run, .run,
      .cancel, .cancel, .mute, .edit, .edit, .event,
    ]
  }

  mutating func disturb() {
    let leader = members.indices.first { members[$0].leading != nil && members[$0].isAwake }
    // Mostly the one that matters most.
    let victim = random.oneIn(2) ? Int(random.number(0...Int64(members.count - 1))) : leader ?? 0
    switch random.pick(troubles) {
    case .freeze: freezeOrThaw(victim)
    case .crash: crashOrReturn(victim)
    case .link: members[victim].isLinked.toggle()
    case .delays: members[victim].delays.toggle()
    case .answers: members[victim].losesAnswers.toggle()
    case .heal: heal()
    case .drain: drainOrResume(victim)
    case .glitch: members[leader ?? victim].leading?.view.set(isUp: false, delays: true, losesAnswers: false)
    case .run: members[leader ?? victim].leading?.host?.runNow(random.pick(definitions).name)
    case .cancel: cancelSomething(leader ?? victim)
    case .mute: members[victim].isMute.toggle()
    case .edit: edit(Int(random.number(0...Int64(members.count - 1))))
    case .event: members[leader ?? victim].leading?.host?.emit("event")
    }
    for member in members {
      member.leading?.view.set(isUp: member.isLinked, delays: member.delays, losesAnswers: member.losesAnswers)
    }
  }

  private mutating func cancelSomething(_ index: Int) { members[index].leading?.host?.cancelSomething(&random) }

  /// A host gets other scripts: without a job, with another version of it, or with it as it was.
  private mutating func edit(_ index: Int) {
    let name = random.pick(definitions).name
    if members[index].altered.remove(name) == nil, members[index].absent.remove(name) == nil {
      if random.oneIn(2) {
        members[index].absent.insert(name)
      } else {
        members[index].altered.insert(name)
      }
    }
    reload(index)
  }

  private mutating func reload(_ index: Int) {
    members[index].reloads += 1
    let jobs = jobs(of: index)
    members[index].process?.use(jobs, scripts: members[index].scripts)
    members[index].leading?.host?.reload(jobs)
    // The others hear of it now.
    if members[index].beatAt != .min { members[index].beatAt = now - Self.lease }
  }

  /// Everything heals but what is dead.
  private mutating func heal() {
    for index in members.indices {
      if members[index].isFrozen { freezeOrThaw(index) }
      (members[index].isLinked, members[index].delays, members[index].losesAnswers) = (true, false, false)
      members[index].isMute = false
    }
  }

  private mutating func freezeOrThaw(_ index: Int) {
    guard members[index].process != nil else { return }
    members[index].isFrozen.toggle()
    if members[index].isFrozen {
      report.freezes += 1
    } else {
      members[index].wokeAt = now
      if let view = members[index].leading?.view, view.epoch != model.epoch {
        members[index].process?.executor.leaveBehind()
      }
      // Its own watch over the lease is the first thing that runs, and its runs end a moment later.
      step(index)
      clock.advance(by: 2_000_000)
      step(index)
    }
  }

  private mutating func crashOrReturn(_ index: Int) {
    if members[index].process == nil {
      // Another process: it knows nothing of a drain.
      members[index].life += 1
      members[index].number += 1
      members[index].isDraining = false
      // On the same machine it can be seen that the one before it is dead.
      members[index].knowsGone = random.oneIn(2)
      begin(index)
    } else {
      report.crashes += 1
      fall(index)
      members[index].process = nil
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

  /// Nothing of a process happens any more. What it had sent is on its way nevertheless, and may arrive when another
  /// one leads.
  private mutating func fall(_ index: Int) {
    let arrivesAt = now + random.number(0...2 * Self.lease)
    if let view = members[index].leading?.view { adrift.append((view, arrivesAt)) }
    if let station = members[index].process?.station { strays.append((station, arrivesAt)) }
    members[index].process?.end()
    members[index].leading = nil
  }

  /// It leads no more: it begins anew, in the same process.
  mutating func stepDown(_ index: Int) {
    let member = members[index]
    fall(index)
    if member.isLinked {
      if let leading = member.leading, leading.host == nil { model.release(leading.view.epoch) }
      model.leave(member.name, life: member.life)
    }
    members[index].life += 1
    members[index].knowsGone = true
    members[index].leadsAt = now + Self.lease / 3
    begin(index)
  }

  // MARK: The end

  /// Faults stop: somebody must lead, what is due must be decided, and what runs must end.
  mutating func calm() {
    guard report.violations.isEmpty else { return }
    heal()
    for index in members.indices {
      if members[index].process == nil { crashOrReturn(index) }
      (members[index].altered, members[index].absent) = ([], [])
      reload(index)
      drained.remove(members[index].name)
      model.setDraining(false, of: members[index].name)
      members[index].leading?.view.set(isUp: true, delays: false, losesAnswers: false)
      members[index].leading?.view.deliver()
      members[index].leading?.host?.settle()
    }
    pass(60_000_000_000)
    // As the next run that asks for its steps does: a host that has just woken up believes no answer yet.
    for member in members { member.leading?.host?.settle() }
    slice = Self.lease / 3
    pass(9 * 60_000_000_000)
    let leaders = members.filter { $0.leading?.host != nil }
    guard leaders.count == 1 else {
      if report.violations.isEmpty { report.violations.append("\(leaders.count) hosts lead when faults have stopped") }
      return
    }
    if model.alive.count != members.count {
      report.violations.append("of \(members.count) members \(model.alive.count) are known when faults have stopped")
    }
    // The others still have the jobs, and end what they were given.
    leaders[0].process?.use([], scripts: "none")
    leaders[0].leading?.host?.reload([])
    // As long as some begin, the others have their turn.
    var (hours, quiet) = (0, 0)
    while quiet < 200, hours < 20_000, report.violations.isEmpty, running > 0 || hours == 0 || !isSettled {
      let before = submitted
      pass(3_600_000_000_000)
      hours += 1
      quiet = submitted == before ? quiet + 1 : 0
    }
    if running > 0 { report.violations.append("runs go on \(hours) hours after the last job was removed") }
  }

  private var submitted: Int { members.reduce(0) { $0 + ($1.process?.executor.submitted ?? 0) } }
  private var running: Int { members.reduce(0) { $0 + ($1.process?.executor.running ?? 0) } }
  private var isSettled: Bool { model.contents.contents.runs.values.allSatisfy { $0.outcome != nil } }
}
