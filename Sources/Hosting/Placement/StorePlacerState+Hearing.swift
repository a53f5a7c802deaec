internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling

/// What members say of runs.
extension StorePlacerState {
  mutating func heard(_ reports: [PlacementReport], _ post: @escaping Post) {
    var over: [PlacementKey] = []
    for report in reports {
      guard let run = away[report.key] else {
        if adopted[report.run]?.key == report.key {
          adopted[report.run] = report
        } else if abandoned[report.run]?.key == report.key {
          guard report.state.isOver else { continue }
          abandoned[report.run] = nil
          leave(report, post)
        } else if report.state.isOver, !awaitingDurable.contains(report.key) {
          toSettle.append(report.key)
        }
        continue
      }
      switch report.state {
      case .placed, .taken: continue
      case .started: begin(report, run)
      case .declined: decline(report, run)
      case .ended, .lost:
        end(report, run)
        awaitingDurable.insert(report.key)
        over.append(report.key)
      }
    }
    if !over.isEmpty { settleWhenDurable(over, post) }
  }

  /// A run whose job this host does not have is over.
  mutating func leave(_ report: PlacementReport, _ post: @escaping Post) {
    toCancel.remove(report.key)
    awaitingDurable.insert(report.key)
    leaving[report.run] = report
    var ended: RunReport?
    if report.state == .ended {
      ended = try? PlacedEnding.report(
        report.message, of: report.run, RunToken(slot: 0, use: 0), startedAt: report.startedAt ?? clock.now)
    }
    engine.post(whenDurable: { post(.left(report, $0)) }) { [ended] core, now, evaluation in
      core.endElsewhere(report.run, ended, at: now, into: &evaluation)
    }
  }

  mutating func begin(_ report: PlacementReport, _ run: Away) {
    guard !run.hasBegun else { return }
    noteBegin(report, run)
    away[report.key]?.hasBegun = true
    change(run) {
      $0.waiting -= 1
      $0.running += 1
    }
    dispatcher.executor(run.executor)?.tell(
      [RunReport(token: run.order.token, kind: .started, startedAt: report.startedAt ?? clock.now)])
  }

  /// Its lines carry the same clock.
  private mutating func noteBegin(_ report: PlacementReport, _ run: Away) {
    fresh.updateValue(report.startedAt.map { $0.nanoseconds - 1 }, forKey: run.order.id)
  }

  mutating func end(_ report: PlacementReport, _ run: Away) {
    if !run.hasBegun, report.state == .ended { noteBegin(report, run) }
    remove(report.key)
    toCancel.remove(report.key)
    let token = run.order.token
    var why = "host \(run.node), which had this run, was not heard of for the length of its lease"
    if report.state == .ended {
      do {
        let ended = try PlacedEnding.report(
          report.message, of: run.order.id, token, startedAt: report.startedAt ?? clock.now)
        dispatcher.loads.ended(run.order.job.definition.name, ended)
        dispatcher.executor(run.executor)?.tell([ended])
        return
      } catch { why = "what host \(run.node) says of the end of this run cannot be read: \(error)" }
    } else if !report.message.isEmpty {
      why = "host \(run.node), which had this run, gave it up: \(PlacedRefusal(report.message).why)"
    }
    dispatcher.executor(run.executor)?.tell(
      [
        RunReport(
          token: token, kind: .lost, outcome: .interrupted, startedAt: report.startedAt ?? clock.now,
          details: AttemptDetails(error: RunError(message: why)))
      ])
  }

  mutating func decline(_ report: PlacementReport, _ run: Away) {
    remove(report.key)
    toCancel.remove(report.key)
    toSettle.append(report.key)
    let waiting = Held(order: run.order, executor: run.executor)
    // Nobody asks for its end again.
    if run.mustEnd { return self.report(waiting, .cancelled) }
    let refusal = PlacedRefusal(report.message)
    refuse(run, refusal.why, for: refusal.scripts == nil ? 5_000_000_000 : nil, with: refusal.scripts)
    held.insert(waiting, at: 0)
  }

  /// - Parameter scripts: the files that the member had when it refused; nil: as far as is known.
  mutating func refuse(_ run: Away, _ why: String, for nanoseconds: Int64?, with scripts: String? = nil) {
    guard let member = members.first(where: { $0.name == run.node }) else { return }
    refusals[RefusalKey(node: run.node, job: run.order.job.definition.name)] = Refusal(
      life: member.identity.life, scripts: scripts ?? member.report.scripts,
      digest: reaches.reach(of: run.order.job.definition).digest, why: why,
      until: nanoseconds.map { monotonic() + $0 } ?? .max)
  }

  func settleWhenDurable(_ keys: [PlacementKey], _ post: @escaping Post) {
    engine.post(whenDurable: { post(.durable(keys, $0)) }) { _, _, _ in }
  }
}
