internal import Chronology
internal import Hosting
internal import JobModel
internal import TestSupport

/// What a host does: as a member, as the leader, and when it comes to lead.
extension ClusterSimulation {
  /// What a host that is awake does at this moment.
  mutating func step(_ index: Int) {
    beat(index)
    serve(index)
    guard let leading = members[index].leading, let process = members[index].process else { return lead(index) }
    let view = leading.view
    if random.oneIn(8) { view.deliverStrays() }
    if members[index].isLinked {
      if random.oneIn(8) || !members[index].delays {
        view.deliver()
        process.hear()
      }
      if now >= view.surelyUntil - Self.lease + Self.lease / 3 {
        guard model.renew(view.epoch) else {
          report.fenced += 1
          return stepDown(index)
        }
        view.renewed(at: now)
      }
      if leading.version != model.version { hearOfMembers(index) }
    }
    let isDoubtful = now >= view.surelyUntil - Self.lease / 3
    members[index].leading?.isDoubtful = isDoubtful
    guard let host = leading.host else { return isDoubtful ? stepDown(index) : takeOver(index) }
    if isDoubtful, !leading.isDoubtful {
      report.doubts += 1
      host.leaseIsDoubtful()
    } else if !isDoubtful, leading.isDoubtful {
      host.leaseIsRegained()
    }
    process.placement.step()
    host.tick()
    process.placement.step()
    handOver(index, host, view)
  }

  private func hearOfMembers(_ index: Int) {
    members[index].process?.placement.heard(model.list)
  }

  /// What it does as a member: it says what became of its runs, and takes new ones.
  private mutating func serve(_ index: Int) {
    guard let process = members[index].process, let station = process.station else { return }
    let member = members[index]
    var link = MemberLink()
    link.isUp = member.isLinked
    link.delays = member.delays
    link.losesAnswers = member.losesAnswers
    link.isSure = now < member.surelyUntil
    station.use(link)
    let isDoubtful = member.beatAt != .min && now >= member.surelyUntil - Self.lease / 3
    if isDoubtful != member.isDoubtful { station.isDoubtful(isDoubtful) }
    members[index].isDoubtful = isDoubtful
    process.executor.work()
    if random.oneIn(8) || !member.delays { station.serve(isBusy: !random.oneIn(4)) }
    report.violations += process.executor.violations
  }

  /// Twice in the length of a lease, over a link that is up.
  private mutating func beat(_ index: Int) {
    let member = members[index]
    guard member.isLinked, !member.isMute, now >= member.beatAt + Self.lease / 2 || member.beatAt == .min else {
      return
    }
    guard let isDraining = model.beat(member.name, life: member.life, scripts: member.scripts) else {
      if model.join(
        member.name, life: member.life, process: member.number, knowsGone: member.knowsGone, labels: member.labels)
      {
        members[index].beatAt = .min
        members[index].surelyUntil = now + Self.lease
        members[index].isDraining = false
        // The drain was of the row that is gone.
        if model.isDrained(member.name) != true { drained.remove(member.name) }
      }
      return
    }
    members[index].beatAt = now
    members[index].isDraining = isDraining
    guard !member.losesAnswers else { return }
    members[index].surelyUntil = now + Self.lease
    if member.leading != nil { hearOfMembers(index) }
  }

  /// A host that leads and is drained ends what it runs, and gives the store up when all is written.
  private mutating func handOver(_ index: Int, _ host: SimulatedHost, _ view: SharedModelView) {
    guard members[index].isDraining || members[index].graceEnds != nil else { return }
    guard let graceEnds = members[index].graceEnds else {
      members[index].graceEnds = now + Self.grace
      host.drain()
      members[index].process?.placement.windDown()
      return host.tick()
    }
    if now >= graceEnds { host.cancelAll() }
    guard host.hasEnded, members[index].isLinked else { return }
    members[index].process?.placement.close()
    model.release(view.epoch)
    report.handovers += 1
    stepDown(index)
  }

  /// Takes the lease if it is free. First it must know what leaders before it have placed.
  private mutating func lead(_ index: Int) {
    let member = members[index]
    guard member.isLinked, member.beatAt != .min, now >= member.leadsAt, let process = member.process,
      let epoch = model.take(member.name)
    else { return }
    if drained.contains(member.name) {
      report.violations.append("\(member.name) takes the store although it is drained")
    }
    report.takeovers += 1
    let view = SharedModelView(model, epoch: epoch, clock: clock)
    view.set(isUp: true, delays: member.delays, losesAnswers: member.losesAnswers)
    let inbox = LateInbox()
    members[index].leading = Leading(view: view, inbox: inbox)
    do throws(StoreError) {
      try process.lead(view, inbox)
    } catch { return stepDown(index) }
    takeOver(index)
  }

  /// Begins with what the store knows, the restart path, when nothing goes on that nobody may adopt.
  private mutating func takeOver(_ index: Int) {
    guard let process = members[index].process, let leading = members[index].leading else { return }
    do throws(StoreError) { guard try process.placement.takeOver() else { return } } catch { return stepDown(index) }
    report.adopted += model.placedRuns.count
    rates.hostDied(clockSetAt: .min, absent: members[index].absent)
    let host = SimulatedHost(
      store: leading.view, clock: clock, seed: seed &+ UInt64(index) &* 1_000 &+ UInt64(leading.view.epoch),
      window: 16, definitions: jobs(of: index), groups: groups, rates: rates, steps: stepWitness,
      shared: SimulatedHost.Shared(executor: process.executor, placing: process.placement.executor))
    leading.inbox.use(host.inbox)
    members[index].leading?.host = host
    host.tick()
    process.placement.startIsComplete()
    process.placement.step()
  }

  // MARK: Processes

  /// The jobs that a host has.
  func jobs(of index: Int) -> [JobDefinition] {
    declared.filter { !members[index].absent.contains($0.name) }
      .map { members[index].altered.contains($0.name) ? SimulatedJobs.altered($0) : $0 }
  }

  /// A process begins, or begins anew: it knows nothing of what was before.
  mutating func begin(_ index: Int) {
    let member = members[index]
    let process = SimulatedProcess(
      model, member.name, life: member.life, labels: member.labels, clock: clock,
      seed: seed &+ UInt64(index) &* 7_919 &+ UInt64(member.life), groups: groups, rates: rates, steps: stepWitness,
      starts: starts)
    process.use(jobs(of: index), scripts: member.scripts)
    members[index].process = process
    members[index].leading = nil
    members[index].graceEnds = nil
    members[index].beatAt = .min
    members[index].surelyUntil = .min
    members[index].isDoubtful = false
  }
}
