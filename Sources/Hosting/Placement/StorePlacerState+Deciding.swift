internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling

/// Finds hosts for runs, and writes that.
extension StorePlacerState {
  /// Finds hosts for what waits, and writes what is to be written.
  mutating func act(_ post: @escaping Post) {
    retryAt = settleAt
    if !held.isEmpty { distribute() }
    if settleAt <= monotonic() {
      settleWhenDurable(unsettled, post)
      unsettled = []
      (settleAt, retryAt) = (.max, .max)
    }
    write(post)
    mailbox?.isAwaiting(!away.isEmpty || !adopted.isEmpty || !abandoned.isEmpty)
  }

  mutating func distribute() {
    var waiting: [Held] = []
    swap(&waiting, &held)
    let (wall, now) = (clock.now, monotonic())
    let hosts = others
    // What found no host is not asked about again: by executor, of jobs that need nothing special; by job.
    var full: Set<Int> = []
    var none: [JobNeed: Wait] = [:]
    var outdated: Set<JobNeed> = []
    var renewed: [RunToken] = []
    for var run in waiting {
      if let end = run.order.startBefore, end < wall {
        report(run, .succeeded, kind: .late)
        continue
      }
      let definition = run.order.job.definition
      guard let executor = dispatcher.executor(run.executor) else { continue }
      let reach = reaches.reach(of: definition)
      let isPlain = definition.onNodes.isEmpty && reach.staysHere == nil
      if isPlain, full.contains(run.executor) {
        note(.room, &run)
        held.append(run)
        continue
      }
      let wanted = JobNeed(run)
      if let why = none[wanted] {
        note(why, &run)
        held.append(run)
        continue
      }
      if outdated.contains(wanted) {
        renewed.append(run.order.token)
        continue
      }
      let staysHere = run.order.context?.store == nil ? reach.staysHere : "its job has moved to another store"
      let need = Placement.Need(executor: executor.name, labels: definition.onNodes, staysHere: staysHere)
      let placement = placement(of: run, hosts, reach, now)
      switch placement.host(for: need) {
      case .here:
        note(nil, &run)
        dispatcher.loads.given(run.order, to: run.executor)
        executor.inner.submit([run.order])
      case .member(let node): give(run, to: node, executor.name)
      case .full:
        if isPlain { full.insert(run.executor) }
        none[wanted] = .room
        note(.room, &run)
        held.append(run)
      case .nobody where isWindingDown:
        report(run, .interrupted, kind: .lost, saying: "the host stopped before there was one that may run this")
      case .nobody where isOutdated(run.order.job.definition, reach, now) && placement.isVersionGone(for: need):
        outdated.insert(wanted)
        renewed.append(run.order.token)
      case .nobody(let why):
        none[wanted] = .nobody(why)
        note(.nobody(why), &run)
        held.append(run)
      }
    }
    if !renewed.isEmpty { renew(renewed, now) }
  }

  /// Whether this host declares the job in another version than the one under which a run was claimed.
  private mutating func isOutdated(_ definition: JobDefinition, _ reach: JobReach, _ now: Int64) -> Bool {
    guard now >= renewAt, let newest = declared(definition.name) else { return false }
    return newest.onNodes != definition.onNodes || reaches.reach(of: newest).digest != reach.digest
  }

  /// Has runs that have begun nowhere handed over again, under the newest versions of their jobs. Not at once again:
  /// the scheduler may hear of those a moment later.
  private mutating func renew(_ tokens: [RunToken], _ now: Int64) {
    renewAt = now + Self.pace
    engine.post(whenDurable: nil) { core, now, evaluation in
      core.dispatchAgain(tokens, at: now, into: &evaluation)
    }
  }

  /// Runs with the same need go to the same hosts.
  private struct JobNeed: Hashable {
    var job: String
    var payload: ObjectIdentifier
    var labels: [String]
    var executor: Int
    var hasMoved: Bool

    init(_ run: Held) {
      let definition = run.order.job.definition
      job = definition.name
      payload = ObjectIdentifier(definition.payload)
      labels = definition.onNodes
      executor = run.executor
      hasMoved = run.order.context?.store != nil
    }
  }

  /// For what a run waits, as people are told; nil: for nothing any more.
  private mutating func note(_ why: Wait?, _ run: inout Held) {
    guard run.why != why else { return }
    run.why = why
    newWords.updateValue(why.map { Whereabouts(words: $0.words, node: nil) }, forKey: run.order.id)
  }

  func placement(of run: Held, _ others: [StoreMember], _ reach: JobReach, _ now: Int64) -> Placement {
    var here = Placement.Host(name: dispatcher.name, labels: dispatcher.labels, executors: [:])
    for (name, number) in dispatcher.executorNumbers { here.executors[name] = dispatcher.loads.room(number) }
    return Placement(
      here: here,
      others: others.map { member in
        var host = Placement.Host(name: member.name, labels: member.identity.labels, executors: [:])
        for executor in member.identity.executors {
          let load = loads[member.name]?[executor.name]
          host.executors[executor.name] = Placement.Room(
            workers: executor.workers, waiting: load?.waiting ?? 0, running: load?.running ?? 0)
        }
        host.refusal = refusal(of: member, run, reach, now)
        host.lacksVersion = host.refusal != nil && lacksVersion(member, run, reach)
        return host
      })
  }

  func refusal(of member: StoreMember, _ run: Held, _ reach: JobReach, _ now: Int64) -> String? {
    if member.isDraining { return "is drained" }
    if reach.needsSameFiles, member.report.scripts != scripts() {
      return "has other files, and the job asks for modules while it runs"
    }
    guard let known = refusals[RefusalKey(node: member.name, job: run.order.job.definition.name)],
      known.digest == reach.digest, known.until > now
    else { return nil }
    return known.why
  }

  /// Whether it has refused the job for its files, and has those still.
  private func lacksVersion(_ member: StoreMember, _ run: Held, _ reach: JobReach) -> Bool {
    let known = refusals[RefusalKey(node: member.name, job: run.order.job.definition.name)]
    return !member.isDraining && known?.digest == reach.digest && known?.isOfFiles == true
  }

  mutating func give(_ run: Held, to node: String, _ executor: String) {
    lastNumber += 1
    let key = PlacementKey(epoch: source.epoch(), number: lastNumber)
    put(Away(order: run.order, executor: run.executor, executorName: executor, node: node), at: key)
    toPlace.append(key)
  }

  // MARK: Writing

  mutating func write(_ post: @escaping Post) {
    guard !isLost, !(toPlace.isEmpty && toCancel.isEmpty && toSettle.isEmpty) else { return }
    do throws(StoreError) {
      let mailbox = try openMailbox { post(.heard($0)) }
      if !toPlace.isEmpty {
        let placed = try mailbox.place(toPlace.compactMap { placement(at: $0) })
        let wanted = toPlace
        toPlace = []
        for key in wanted { noteAnswer(key, isPlaced: placed.contains(key)) }
      }
      if !toCancel.isEmpty {
        try mailbox.cancel(Array(toCancel))
        toCancel = []
      }
      if !toSettle.isEmpty {
        try mailbox.settle(toSettle)
        toSettle = []
      }
      // What was not taken is offered to others.
      if !held.isEmpty { retryAt = min(retryAt, monotonic() + Self.retryPause) }
    } catch {
      // Who has lost the store has lost what it placed too: the host steps down.
      if error.code == .lost { isLost = true } else { retryAt = min(retryAt, monotonic() + Self.retryPause) }
    }
  }

  mutating func noteAnswer(_ key: PlacementKey, isPlaced: Bool) {
    guard let run = away[key] else { return }
    if isPlaced {
      away[key]?.isPlaced = true
      if run.mustEnd { toCancel.insert(key) }
      return
    }
    remove(key)
    let held = Held(order: run.order, executor: run.executor)
    if run.mustEnd { return report(held, .cancelled) }
    refuse(run, "takes no runs at the moment", for: 2_000_000_000)
    self.held.append(held)
  }

  mutating func placement(at key: PlacementKey) -> RunPlacement? {
    guard let run = away[key] else { return nil }
    // One that nobody knows any more is given nothing, but may have been before the answer was lost.
    let life = members.first { $0.name == run.node }?.identity.life ?? ""
    let reach = reaches.reach(of: run.order.job.definition)
    let instructions = RunInstructions(
      run.order, digest: reach.digest, scripts: reach.needsSameFiles ? scripts() : "", executor: run.executorName)
    return RunPlacement(
      key: key, run: run.order.id, attempt: run.order.attempt, job: run.order.job.definition.name, node: run.node,
      life: life, instructions: instructions.bytes)
  }

  /// The others end what they have of a host that ends.
  mutating func close() {
    let left = away.filter(\.value.isPlaced).map(\.key)
    if !isLost, !left.isEmpty, let mailbox {
      // What fails here the next leader does.
      do throws(StoreError) { try mailbox.cancel(left) } catch {}
    }
    mailbox?.close()
    mailbox = nil
  }
}
