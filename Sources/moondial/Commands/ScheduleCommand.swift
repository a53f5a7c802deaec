import ArgumentParser
import Chronology
import HostClient
import Hosting
import JobModel

struct ScheduleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule", abstract: "Give a job a further schedule, with parameters of its own. Prints its id.",
    discussion: """
      Examples:
        moondial schedule send --at "2027-01-31 09:00" --param to=ann
        moondial schedule probe --every 90s --id probe-eu --param region=eu
        moondial schedule report --cron "0 9 * * mon" --timezone Europe/Vienna
      It is kept in the job's store until it is unscheduled, or has no fire left.
      """)

  @Argument(help: "The job.", completion: .custom(Completion.jobs)) var job: String
  @Option(help: "A time, once.") var at: String?
  @Option(help: "A duration: again and again.") var every: String?
  @Option(help: "A cron expression.") var cron: String?
  @Option(help: "A trigger in Lua, such as 'calendar { months = 1 }'.") var trigger: String?
  @Option(help: "The zone of --at and --cron. Default: the job's.") var timezone: String?
  @Option(help: "A parameter, key=value; the value as JSON, or else as text. May be repeated.") var param: [String] = []
  @Option(help: "Its id. Default: the host makes one.") var id: String?
  @Flag(help: "Replace the schedule that has this id.") var replace = false
  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    guard [at, every, cron, trigger].compactMap({ $0 }).count == 1 else {
      throw CommandFailure(.usage, "say when with one of --at, --every, --cron and --trigger")
    }
    var order = ScheduleOrder(job: job)
    order.at = at
    order.every = every
    order.cron = cron
    order.trigger = trigger
    order.timeZone = timezone
    order.params = try Parameters.json(param).map { JSONDocument($0) }
    order.id = id
    order.replaceExisting = replace
    let client = try host.client
    if json { return try client.printJSON("POST", HostClient.path("schedules"), body: order) }
    let answer = try client.post(ScheduleAnswer.self, HostClient.path("schedules"), order)
    Terminal.line("\(answer.id): \(answer.trigger), next \(answer.nextRunTime.map(\.short) ?? "never")")
  }
}

struct UnscheduleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unschedule", abstract: "Remove dynamic schedules. What runs goes on.",
    discussion: "Example:\n  moondial unschedule send-1042")

  @Argument(help: "The schedules' ids.", completion: .custom(Completion.schedules)) var ids: [String]
  @OptionGroup var host: HostChoice

  func run() throws {
    let client = try host.client
    for id in ids {
      try CommandFailure.orFail { () throws(ClientFailure) in
        try client.order("DELETE", HostClient.path("schedules", id))
      }
      Terminal.line("\(id) is gone")
    }
  }
}

struct BackfillCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backfill", abstract: "Run a job for the fire times of a range that has passed.",
    discussion: """
      Examples:
        moondial backfill report --from 2026-03-01 --to 2026-03-08 --dry-run
        moondial backfill report --from 2026-03-01 --to 2026-03-08
      One run a fire, one after the other as max_instances allows, at most 1,000; --coalesce makes one run of all. The \
      end is exclusive. Meanwhile the job's own fires follow its overlap policy.
      """)

  @Argument(help: "The job.", completion: .custom(Completion.jobs)) var job: String
  @Option(help: "The first fire time, or an instant before it.") var from: String
  @Option(help: "The end of the range, exclusive; now or before.") var to: String
  @Flag(help: "One run, for the latest fire time.") var coalesce = false
  @Option(help: "What becomes of a run that meets max_instances others: queue, skip, queue_one, replace.")
  var overlap = OverlapPolicy.queue.rawValue
  @Option(help: "A parameter, key=value; the value as JSON, or else as text. May be repeated.") var param: [String] = []
  @Flag(help: "Only say which fire times there are.") var dryRun = false
  @OptionGroup var host: HostChoice
  @Flag(help: "One JSON document.") var json = false

  func run() throws {
    guard let policy = OverlapPolicy(rawValue: overlap) else {
      let all = OverlapPolicy.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure(.usage, "--overlap \(overlap): the policies are \(all)")
    }
    let client = try host.client
    let zone = try client.zone()
    var request = BackfillRequest(
      job: job, from: HostTime(try instant(from, "--from", in: zone), in: zone),
      to: HostTime(try instant(to, "--to", in: zone), in: zone))
    request.coalesce = coalesce
    request.overlap = policy
    request.params = try Parameters.json(param).map { JSONDocument($0) }
    request.dryRun = dryRun
    if json { return try client.printJSON("POST", HostClient.path("backfill"), body: request) }
    let answer = try client.post(BackfillAnswer.self, HostClient.path("backfill"), request)
    if answer.isDryRun { for fire in answer.fires { Terminal.line(fire.short) } }
    let fires = counted(answer.fires.count, "fire time")
    let runs = answer.runs.first.map { first in
      answer.runs.count == 1 ? "run \(first)" : "runs \(first) to \(answer.runs.last!)"
    }
    let skipped = answer.skipped > 0 ? ", \(answer.skipped) skipped" : ""
    Terminal.line(answer.isDryRun ? "\(fires): nothing was run" : "\(fires): \(runs ?? "no run")\(skipped)")
  }
}
