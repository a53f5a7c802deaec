import ArgumentParser
import Basics
import Chronology
import Glibc
internal import HostModules
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime
import Triggers

struct NextCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "next", abstract: "The next fire times of a trigger expression, or of a job.",
    discussion: """
      Examples:
        moondial next 'cron "0 9 * * mon-fri"' -n 5 --timezone Europe/Berlin
        moondial next '0 3 * * *' --after 2026-03-28T00:00:00Z
        moondial next '*/15 * * * *'
        moondial next backup --dir scripts
        echo '{"id":1,"expr":"every(90)","count":3}' | moondial next --batch
      """)

  @Argument(help: "Trigger expressions as in a script, bare crontab lines, or job names.") var expressions: [String] =
    []
  @Option(name: .shortAndLong, help: "How many fire times of each.") var number = 5
  @Option(
    help: """
      IANA zone of the expressions and of the answers. Default: a job's own, the configured one, else the system's; with \
      --batch UTC.
      """) var timezone: String?
  @Option(help: "Fire times after this instant, exclusive. Default: now.") var after: String?
  @Option(help: "Fire times from this instant on, inclusive.") var from: String?
  @Option(help: "Where job names and calendar files are looked up.") var dir = "scripts"
  @Flag(help: "Read JSON lines from standard input and answer each with one.") var batch = false
  @Flag(help: "One JSON document.") var json = false
  @OptionGroup var settings: SettingOptions

  func validate() throws { try refuseEmpty(["--dir": dir]) }

  func run() throws {
    let zones = Environment.zones
    let evaluator: ExpressionEvaluator
    do {
      let runtime = try LuaHost(services: .unwired, declareModules: DeclareModules.modules).runtime
      evaluator = try ExpressionEvaluator(runtime: runtime, zones: zones, calendars: CalendarLibrary(in: dir))
    } catch { throw CommandFailure("the Lua runtime cannot start: \(error)") }
    if batch {
      guard expressions.isEmpty else {
        throw CommandFailure(.usage, "--batch reads its expressions from standard input")
      }
      return BatchAnswers(evaluator, zones: zones, defaultZone: timezone ?? "UTC").answerStandardInput()
    }
    guard !expressions.isEmpty else {
      throw CommandFailure(.usage, "name a trigger expression or a job, e.g. moondial next '0 9 * * mon-fri'")
    }
    guard (1...Self.largestNumber).contains(number) else {
      throw CommandFailure(
        .usage, "-n \(number): give a number from 1 to \(Self.largestNumber); --after goes on from the last fire time")
    }
    let zone = try zone(zones)
    let start = try begin(zone)
    if json, expressions.count > 1 { Terminal.text("[") }
    for (index, expression) in expressions.enumerated() {
      let (trigger, shown, words) = try trigger(expression, evaluator, zone, zones)
      var fires = FireTimes(trigger, start)
      if json {
        if index > 0 { Terminal.text(",") }
        printDocument(expression, words, &fires, in: shown)
      } else {
        Terminal.line(words)
        printLines(&fires, in: shown)
      }
    }
    if json { Terminal.text(expressions.count > 1 ? "]\n" : "\n") }
  }

  private static let largestNumber = 1_000_000

  /// What is found is printed as it is found, some at a time: a million fire times need no memory.
  private func printLines(_ fires: inout FireTimes, in zone: TimeZoneRules) {
    while true {
      let found = fires.next(min(1_000, number - fires.count))
      Terminal.text(found.map { "  \(ISO8601.format($0, in: zone))\n" }.joined())
      if found.isEmpty || fires.count == number { break }
    }
    if let searchedTo = fires.searchedTo {
      let end = ISO8601.format(searchedTo, in: zone)
      let none = fires.count == 0 ? "none" : "no other"
      Terminal.line("  \(none) found up to \(end); there may be one later (--after goes on from there)")
    } else if fires.count < number {
      Terminal.line(fires.count == 0 ? "  never" : "  and never again")
    }
  }

  private func printDocument(_ expression: String, _ words: String, _ fires: inout FireTimes, in zone: TimeZoneRules) {
    var head = JSONObject()
    head.set("expr", expression)
    head.set("words", words)
    Terminal.text(VisibleText.json(String(head.json.dropLast())) + ",\"fires\":[")
    while true {
      let isFirst = fires.count == 0
      let found = fires.next(min(1_000, number - fires.count))
      if found.isEmpty { break }
      let texts = found.map { JSONObject.quote(ISO8601.format($0, in: zone)) }
      Terminal.text((isFirst ? "" : ",") + texts.joined(separator: ","))
    }
    Terminal.text("]}")
  }

  private func begin(_ zone: TimeZoneRules) throws -> FireTimes.Start {
    if after != nil, from != nil {
      throw CommandFailure(.usage, "give either --after (exclusive) or --from (inclusive)")
    }
    if let from { return .from(try instant(from, "--from", in: zone)) }
    return .after(try after.map { try instant($0, "--after", in: zone) } ?? SystemWallClock().now)
  }

  /// The zone that was asked for, or the configured one, or the machine's.
  private func zone(_ zones: TimeZoneDatabase) throws -> TimeZoneRules {
    if let timezone { return try zone(timezone, zones) }
    if let configured = try settings.configuredZone(beside: dir) { return try zone(configured, zones) }
    let machine = zones.machineZone(tz: Environment["TZ"])
    if let problem = machine.problem { throw CommandFailure(.usage, "\(problem) (or name a zone with --timezone)") }
    return try zone(machine.name, zones)
  }

  private func zone(_ name: String, _ zones: TimeZoneDatabase) throws -> TimeZoneRules {
    do { return try zones.zone(named: name) } catch { throw CommandFailure(.usage, "--timezone: \(error)") }
  }

  /// An expression, or else the name of a job.
  private func trigger(
    _ text: String, _ evaluator: ExpressionEvaluator, _ zone: TimeZoneRules, _ zones: TimeZoneDatabase
  ) throws -> (AnyTrigger, TimeZoneRules, String) {
    do {
      let built = try evaluator.trigger(text, zone: zone)
      for note in built.notes { Terminal.error("note: \(note.message)") }
      return (built.trigger, zone, built.trigger.description)
    } catch {
      let isName = NextCommand.couldBeName(text)
      guard case .directory = FileKind(dir) else {
        let place = "there is no directory \(dir) to look for a job of that name (--dir names another)"
        throw CommandFailure(isName ? "\"\(text)\" is no trigger, and \(place)" : "\(error)")
      }
      let session = try ScriptSession(dir, settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
      let generation = try session.loadOnce()
      let stores = try ReadStores(session, generation: generation, directory: dir, state: settings.stateDirectory)
      guard isName || generation.job(named: text) != nil else { throw CommandFailure("\(error)") }
      let job: JobDefinition
      do {
        job = try JobLookup.declared(text, in: generation, dir, storedIn: stores)
      } catch let failure as CommandFailure {
        // What Lua says of a name that it does not know helps nobody.
        throw "\(error)".hasPrefix("global '")
          ? failure : CommandFailure("\(failure.message); nor is it a trigger: \(error)")
      }
      let shown = try timezone == nil ? self.zone(job.timeZone, zones) : zone
      guard let trigger = job.trigger else {
        throw CommandFailure("job \"\(text)\" has no trigger: it runs \(job.whenInWords)")
      }
      return (try stores.phased(trigger, of: job), shown, "\(text): \(job.whenInWords)")
    }
  }
}

extension ReadStores {
  /// A job's trigger with the phase that its store has for it: an interval goes on from where it stands.
  func phased(_ trigger: AnyTrigger, of job: JobDefinition) throws -> AnyTrigger {
    guard trigger.needsAnchor, let store = store(of: job) else { return trigger }
    let records = try ReadStores.orFail { try store.schedules(of: [job.name]) }
    guard let record = records.first(where: { $0.dynamic == nil }), record.trigger == trigger.text else {
      return trigger
    }
    return trigger.anchored(at: record.anchor ?? record.registeredAt)
  }
}

extension NextCommand {
  /// Whether a text is more likely the name of a job than an expression: one word without the signs of Lua.
  private static func couldBeName(_ text: String) -> Bool {
    guard let first = text.first, first.isLetter || first == "_" else { return false }
    return text.allSatisfy { $0.isLetter || $0.isNumber || "_-.@:/+".contains($0) }
  }
}

/// Fire times of a trigger, from an instant on, some at a time.
struct FireTimes {
  enum Start {
    case after(Instant)
    case from(Instant)
  }

  private let trigger: AnyTrigger
  private var edge: Instant
  private var isOver = false
  /// How many there were so far.
  private(set) var count = 0
  /// Where the search broke off without an answer.
  private(set) var searchedTo: Instant?

  init(_ trigger: AnyTrigger, _ start: Start) {
    let anchor: Instant
    switch start {
    case .after(let instant): (edge, anchor) = (instant, instant)
    case .from(let instant): (edge, anchor) = (instant.advanced(byNanoseconds: -1), instant)
    }
    self.trigger = trigger.anchored(at: anchor)
  }

  /// At most `limit` more; fewer when it ends, or when its search breaks off.
  mutating func next(_ limit: Int) -> [Instant] {
    var fires: [Instant] = []
    while fires.count < limit, !isOver {
      switch trigger.nextFire(after: edge) {
      case .at(let next):
        fires.append(next)
        edge = next
      case .never: isOver = true
      case .unknown(let searched): (isOver, searchedTo) = (true, searched)
      }
    }
    count += fires.count
    return fires
  }
}
