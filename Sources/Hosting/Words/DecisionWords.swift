package import Chronology
package import JobModel

extension DecisionRange {
  /// Why its instants got no run of their own, as the end of a sentence.
  package var why: String {
    switch (kind, reason) {
    case (.coalesced, _): run.map { "coalesced into run \($0)" } ?? "coalesced into another run"
    case (.misfired, .group): "misfired: no slot in its group came free within its misfire_grace_time"
    case (.misfired, .rate): "misfired: its rate, or its group's, did not let it start within its misfire_grace_time"
    case (.misfired, _): "misfired: later than its misfire_grace_time"
    case (.clock, _): "the clock was set far back: armed anew from there"
    case (.skipped, .overlap): "skipped: the maximum number of instances was running"
    case (.skipped, .paused): "skipped: the job was paused"
    case (.skipped, .disabled): "skipped: the job is disabled"
    case (.skipped, .limit): "skipped: its queue, catch_up_max or limit was reached"
    case (.skipped, .orphaned): "skipped: its script, or the job in it, was gone"
    case (.skipped, .node): "skipped: another node runs it"
    case (.skipped, .unscheduled): "skipped: its schedule was removed or replaced before it was claimed"
    case (.skipped, .group), (.skipped, .rate), (.skipped, nil): "skipped"
    }
  }

  /// One sentence: when, how often, why.
  package func words(in zone: TimeZoneRules, why reason: String? = nil) -> String {
    let begin = TimeFormat.time(first, in: zone)
    let span = first == last ? begin : "\(begin) to \(TimeFormat.time(last, in: zone))"
    let times = count == 1 ? "" : " (\(isAtLeast ? "at least " : "")\(count) fire times)"
    let whose = schedule.map { " of schedule \($0)" } ?? ""
    return "\(span)\(times)\(whose) \(reason ?? why)"
  }
}
