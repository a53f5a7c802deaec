internal import Chronology
package import Triggers

extension TimerUnit {
  /// Makes one job script of timers with their services: each pair as a comment, then its job.
  package static func script(
    of timers: [TimerUnit], from origin: ImportOrigin, context: TriggerContext
  ) -> ImportedScript {
    var names = JobNames(taken: origin.takenNames)
    var blocks: [String] = []
    var notes: [ImportNote] = []
    var programs: [String] = []
    var variables: [String] = []
    var jobCount = 0
    for timer in timers {
      var writer = TimerWriter(timer, context)
      let block = writer.write(names.unique(timer.jobName))
      blocks.append(block)
      notes += writer.notes
      programs += writer.programs.filter { !programs.contains($0) }
      variables += writer.variables.filter { !variables.contains($0) }
      if writer.isComplete { jobCount += 1 }
    }
    var head = LuaWriter.comment(wrapping: "Made of \(origin.source) by `moondial import systemd`.")
    if jobCount > 0 {
      head += ["--"] + LuaWriter.grant(to: origin.script, programs: programs, variables: variables)
      head += ["", TimerWriter.helper]
    }
    return ImportedScript(
      lua: head.joined(separator: "\n") + "\n\n" + blocks.joined(separator: "\n\n") + "\n", notes: notes,
      jobCount: jobCount)
  }
}

/// Makes the job of one timer.
struct TimerWriter {
  let unit: TimerUnit
  private let context: TriggerContext
  private(set) var notes: [ImportNote] = []
  var programs: [String] = []
  /// The variables that the service sets for its programs.
  var variables: [String] = []
  private(set) var isComplete = false

  init(_ unit: TimerUnit, _ context: TriggerContext) {
    self.unit = unit
    self.context = context
  }

  mutating func note(_ message: String, isLoss: Bool = false) {
    let note = ImportNote(place: unit.name, message: message, isLoss: isLoss)
    if !notes.contains(note) { notes.append(note) }
  }

  mutating func write(_ name: String) -> String {
    var lines = original("Timer", unit.timer, unit.name)
    if let service = unit.service { lines += original("Service", service, unit.serviceName) }
    var job: String?
    if unit.isMasked {
      note("no job, because it is masked: an empty file or a link to /dev/null keeps it from running")
    } else if unit.isTemplate {
      note(
        "not imported, because it is a template: it runs by its instances only; import a link to it that names one, like sync@home.timer",
        isLoss: true)
    } else if let when = when(), let run = run() {
      let description = unit.service?.value("Unit", "Description") ?? unit.timer.value("Unit", "Description")
      let words = description.map { [(key: "description", literal: LuaWriter.string($0))] } ?? []
      job = LuaWriter.job(name, words + when + limits() + [("run", run)])
      isComplete = true
    }
    for note in notes { lines += LuaWriter.comment(wrapping: "^ \(note.message)") }
    return (lines + (job.map { [$0] } ?? [])).joined(separator: "\n")
  }

  /// The file's settings that have to do with it, as comments.
  private func original(_ section: String, _ file: UnitFile, _ name: String) -> [String] {
    let lines = file.settings.filter { $0.section == section }
    return [LuaWriter.comment(name)] + lines.map { LuaWriter.comment("   \($0.key)=\($0.value)") }
  }

  // MARK: When

  private mutating func when() -> [(key: String, literal: String)]? {
    var triggers: [String] = []
    var fields: [(key: String, literal: String)] = []
    // An empty one of them takes back those of all kinds.
    for setting in unit.timer.settings("Timer", of: TimerWriter.times) {
      let value = UnitName(unit.name).expanded(setting.value).text
      if let trigger = trigger(setting.key, value), !triggers.contains(trigger) { triggers.append(trigger) }
    }
    // The start of the host last: the rhythm is what a reader looks for.
    triggers = triggers.filter { $0 != "startup()" } + triggers.filter { $0 == "startup()" }
    noteTheRestOfTimer()
    guard !triggers.isEmpty else {
      if !notes.contains(where: \.isLoss) { note("not imported, because it has no time", isLoss: true) }
      return nil
    }
    let literal = triggers.count == 1 ? triggers[0] : "any_of { \(triggers.joined(separator: ", ")) }"
    fields.append(("trigger", literal))
    if let text = unit.timer.value("Timer", "RandomizedDelaySec") {
      if let span = UnitText.span(text) {
        if span > 0 { fields.append(("jitter", LuaWriter.string(DurationText.format(nanoseconds: span)))) }
      } else {
        note("RandomizedDelaySec=\(text) is no length of time")
      }
    }
    if let text = unit.timer.value("Timer", "AccuracySec") {
      note("AccuracySec=\(text) is not carried over: runs start at their time; jitter spreads them")
    }
    // Here a late run still runs, unless told; there only that of a persistent timer.
    if !unit.timer.flag("Timer", "Persistent"), triggers.contains(where: { $0.hasPrefix("on_calendar") }) {
      fields.append(("misfire_grace_time", "\"1m\""))
    }
    return fields
  }

  private static let times: Set<String> = [
    "OnCalendar", "OnUnitActiveSec", "OnUnitInactiveSec", "OnBootSec", "OnStartupSec", "OnActiveSec",
  ]

  /// One time as a trigger; `nil` (and a note) when it is none.
  private mutating func trigger(_ key: String, _ text: String) -> String? {
    switch key {
    case "OnCalendar":
      do {
        _ = try TriggerBuilder.build("on_calendar", [.string(text)], context: context)
        return "on_calendar \(LuaWriter.string(text))"
      } catch {
        note("OnCalendar=\(text) is not imported, because \(error)", isLoss: true)
        return nil
      }
    case "OnUnitActiveSec", "OnUnitInactiveSec":
      guard let span = UnitText.span(text), span >= 1_000_000 else {
        note("\(key)=\(text) is not imported, because it is no length of time", isLoss: true)
        return nil
      }
      if key == "OnUnitInactiveSec" { note("\(key) counts from the end of a run there, from its fire time here") }
      return "every \(LuaWriter.string(DurationText.format(nanoseconds: span)))"
    default:
      if UnitText.span(text) != 0 { note("\(key)=\(text): the job runs when the host starts, without that delay") }
      return "startup()"
    }
  }

  /// Settings of a timer that are carried over, or said where they are read.
  private static let handledOfTimer: Set<String> = [
    "Unit", "Persistent", "RandomizedDelaySec", "AccuracySec", "OnClockChange", "OnTimezoneChange", "WakeSystem",
    "RemainAfterElapse", "FixedRandomDelay",
  ]

  private mutating func noteTheRestOfTimer() {
    for key in ["OnClockChange", "OnTimezoneChange", "WakeSystem"] where unit.timer.flag("Timer", key) {
      note("\(key) is not carried over")
    }
    if unit.timer.flag("Timer", "FixedRandomDelay") {
      note("FixedRandomDelay is not carried over: jitter is another delay at each fire time")
    }
    var rest: [String] = []
    for setting in unit.timer.settings where setting.section == "Timer" && !rest.contains(setting.key) {
      let isKnown = TimerWriter.times.contains(setting.key) || TimerWriter.handledOfTimer.contains(setting.key)
      if !isKnown { rest.append(setting.key) }
    }
    if !rest.isEmpty { note("not carried over: \(rest.joined(separator: ", "))") }
  }

  // MARK: How long

  private mutating func limits() -> [(key: String, literal: String)] {
    guard let service = unit.service else { return [] }
    let isOneshot = service.value("Service", "Type") == "oneshot"
    // A oneshot service starts as long as it runs.
    let keys = isOneshot ? ["TimeoutStartSec", "TimeoutSec", "RuntimeMaxSec"] : ["RuntimeMaxSec"]
    for key in keys {
      guard let text = service.value("Service", key), text != "infinity", text != "0" else { continue }
      guard let span = UnitText.span(text), span > 0 else {
        note("\(key)=\(text) is no length of time")
        continue
      }
      return [("timeout", LuaWriter.string(DurationText.format(nanoseconds: span)))]
    }
    return []
  }

  static let helper = """
    -- Runs programs one after another. Each line that they write goes to the log; an exit code other than 0 is a failed run,
    -- unless may_fail says that it does not matter.
    local function programs(commands, options)
      return function()
        for _, command in ipairs(commands) do
          local words = { table.unpack(command) }
          local result, why = exec(words, options)
          if not result then error(why, 0) end
          for line in result.stdout:gmatch("[^\\n]+") do log.info(line) end
          for line in result.stderr:gmatch("[^\\n]+") do log.warn(line) end
          if result.code ~= 0 and not command.may_fail then error(words[1] .. ": exit code " .. result.code, 0) end
        end
      end
    end
    """
}
