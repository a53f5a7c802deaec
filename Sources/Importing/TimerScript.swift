internal import Chronology
package import Triggers

extension TimerUnit {
  /// Makes one job script of timers with their services: each pair as a comment, then its job.
  package static func script(
    of timers: [TimerUnit], from origin: ImportOrigin, context: TriggerContext
  ) -> ImportedScript {
    var names = JobNames()
    var blocks: [String] = []
    var notes: [ImportNote] = []
    var programs: [String] = []
    var jobCount = 0
    for timer in timers {
      var writer = TimerWriter(timer, context)
      let block = writer.write(names.unique(timer.jobName))
      blocks.append(block)
      notes += writer.notes
      programs += writer.programs.filter { !programs.contains($0) }
      if writer.isComplete { jobCount += 1 }
    }
    var head = LuaWriter.comment(wrapping: "Made of \(origin.source) by `moondial import systemd`.")
    if jobCount > 0 {
      head += ["--"] + LuaWriter.comment(wrapping: "Its programs need a grant in moondial.lua:")
      head.append("--   grants = { [\(LuaWriter.string(origin.script))] = { exec = \(LuaWriter.list(programs)) } }")
      head += ["", TimerWriter.helper]
    }
    return ImportedScript(
      lua: head.joined(separator: "\n") + "\n\n" + blocks.joined(separator: "\n\n") + "\n", notes: notes,
      jobCount: jobCount)
  }
}

/// Makes the job of one timer.
private struct TimerWriter {
  private let unit: TimerUnit
  private let context: TriggerContext
  private(set) var notes: [ImportNote] = []
  private(set) var programs: [String] = []
  private(set) var isComplete = false

  init(_ unit: TimerUnit, _ context: TriggerContext) {
    self.unit = unit
    self.context = context
  }

  private mutating func note(_ message: String, isLoss: Bool = false) {
    notes.append(ImportNote(place: unit.name, message: message, isLoss: isLoss))
  }

  mutating func write(_ name: String) -> String {
    var lines = original("Timer", unit.timer, unit.name)
    if let service = unit.service { lines += original("Service", service, unit.serviceName) }
    var job: String?
    if let when = when(), let run = run() {
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
    return ["-- \(name)"] + lines.map { LuaWriter.comment("   \($0.key)=\($0.value)") }
  }

  // MARK: When

  private mutating func when() -> [(key: String, literal: String)]? {
    var triggers: [String] = []
    var fields: [(key: String, literal: String)] = []
    for event in unit.timer.values("Timer", "OnCalendar") {
      do {
        _ = try TriggerBuilder.build("on_calendar", [.string(event)], context: context)
        triggers.append("on_calendar \(LuaWriter.string(event))")
      } catch {
        note("OnCalendar=\(event) is not imported, because \(error)", isLoss: true)
      }
    }
    for key in ["OnUnitActiveSec", "OnUnitInactiveSec"] {
      for text in unit.timer.values("Timer", key) {
        guard let span = UnitText.span(text), span >= 1_000_000 else {
          note("\(key)=\(text) is not imported, because it is no length of time", isLoss: true)
          continue
        }
        triggers.append("every \(LuaWriter.string(DurationText.format(nanoseconds: span)))")
        if key == "OnUnitInactiveSec" { note("\(key) counts from the end of a run there, from its fire time here") }
      }
    }
    for key in ["OnBootSec", "OnStartupSec", "OnActiveSec"] {
      guard let text = unit.timer.value("Timer", key) else { continue }
      if !triggers.contains("startup()") { triggers.append("startup()") }
      if UnitText.span(text) != 0 { note("\(key)=\(text): the job runs when the host starts, without that delay") }
    }
    for key in ["OnClockChange", "OnTimezoneChange", "WakeSystem"] where unit.timer.flag("Timer", key) {
      note("\(key) is not carried over")
    }
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

  // MARK: What

  private mutating func run() -> String? {
    guard let service = unit.service else {
      note("not imported, because \(unit.serviceName) was not found beside it", isLoss: true)
      return nil
    }
    let variables = environment(service)
    var steps: [String] = []
    for key in ["ExecStartPre", "ExecStart", "ExecStartPost"] {
      for line in service.values("Service", key) {
        guard let step = step(key, line, variables, service) else { return nil }
        steps.append(step)
      }
    }
    guard !service.values("Service", "ExecStart").isEmpty else {
      note("not imported, because \(unit.serviceName) has no ExecStart", isLoss: true)
      return nil
    }
    var options: [(key: String, literal: String)] = []
    if let directory = service.value("Service", "WorkingDirectory") {
      let path = expand(directory.hasPrefix("-") ? String(directory.dropFirst()) : directory, "WorkingDirectory")
      if path == "~" {
        note("WorkingDirectory=~ is not carried over: give cwd the home directory's path")
      } else {
        options.append(("cwd", LuaWriter.string(path)))
      }
    }
    if !variables.isEmpty {
      options.append(("env", LuaWriter.table(variables.map { ($0.key, LuaWriter.string($0.value)) })))
    }
    noteTheRest(service)
    let last = options.isEmpty ? "" : ", \(LuaWriter.table(options))"
    if steps.count == 1, steps[0].count + last.count < 90 { return "programs({ \(steps[0]) }\(last))" }
    return "programs({\n\(steps.map { "    \($0),\n" }.joined())  }\(last))"
  }

  private mutating func expand(_ value: String, _ key: String) -> String {
    let (text, unknown) = unit.expanded(value)
    if let unknown { note("\(key): \(unknown) depends on the machine and is left as it is") }
    return text
  }

  private mutating func environment(_ service: UnitFile) -> [(key: String, value: String)] {
    var variables: [(key: String, value: String)] = []
    for text in service.values("Service", "Environment") {
      for word in UnitText.words(expand(text, "Environment")) ?? [] {
        guard let equals = word.firstIndex(of: "=") else { continue }
        let name = String(word[..<equals])
        variables.removeAll { $0.key == name }
        variables.append((name, String(word[word.index(after: equals)...])))
      }
    }
    return variables
  }

  /// A command as a Lua list, by whom the unit says.
  private mutating func step(
    _ key: String, _ line: String, _ variables: [(key: String, value: String)], _ service: UnitFile
  ) -> String? {
    var line = line[...]
    var mayFail = false
    var isLiteral = false
    while let prefix = line.first, "-@:+!".contains(prefix) {
      line = line.dropFirst()
      switch prefix {
      case "-": mayFail = true
      case ":": isLiteral = true
      case "@":
        note("\(key): a program with another name for itself (@) is not imported", isLoss: true)
        return nil
      default: note("\(key): the privileges of \(prefix) are not carried over")
      }
    }
    guard let words = UnitText.words(expand(String(line), key)), !words.isEmpty else {
      note("\(key)=\(line) is not imported, because a quote in it is not closed", isLoss: true)
      return nil
    }
    if words.contains(";") {
      note("\(key)=\(line) is not imported: give each command an ExecStart of its own", isLoss: true)
      return nil
    }
    var command: [String] = []
    for word in words { command += isLiteral ? [word] : substituted(word, key, variables) }
    var program = command[0]
    if let user = service.value("Service", "User"), user != "root" {
      note("User=\(user) is carried over by runuser, for which the host must be run by root")
      command = ["/usr/sbin/runuser", "-u", user, "--"] + command
      program = command[0]
    }
    if !programs.contains(program) { programs.append(program) }
    let list = command.map(LuaWriter.string).joined(separator: ", ")
    return mayFail ? "{ \(list), may_fail = true }" : "{ \(list) }"
  }

  /// `$NAME` alone becomes its words, `${NAME}` its value, `$$` a dollar sign.
  private mutating func substituted(
    _ word: String, _ key: String, _ variables: [(key: String, value: String)]
  ) -> [String] {
    func value(_ name: Substring) -> String? { variables.last { $0.key == name }?.value }
    if word.first == "$", word.dropFirst().allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }), word.count > 1 {
      if let text = value(word.dropFirst()) { return UnitText.words(text) ?? [text] }
      note("\(key): \(word) is not set by Environment and is left out")
      return []
    }
    var text = ""
    var rest = word[...]
    while let dollar = rest.firstIndex(of: "$") {
      text += rest[..<dollar]
      rest = rest[rest.index(after: dollar)...]
      if rest.first == "$" {
        text += "$"
        rest = rest.dropFirst()
      } else if rest.first == "{", let close = rest.firstIndex(of: "}") {
        let name = rest[rest.index(after: rest.startIndex)..<close]
        if let known = value(name) {
          text += known
        } else {
          note("\(key): ${\(name)} is not set by Environment and is left empty")
        }
        rest = rest[rest.index(after: close)...]
      } else {
        text += "$"
      }
    }
    return [text + rest]
  }

  /// Settings that need no word, because they are carried over or mean nothing to a job.
  private static let handled: Set<String> = [
    "ExecStart", "ExecStartPre", "ExecStartPost", "Environment", "WorkingDirectory", "User", "TimeoutStartSec",
    "TimeoutSec", "RuntimeMaxSec", "StandardOutput", "StandardError", "SyslogIdentifier", "RemainAfterExit",
  ]

  private mutating func noteTheRest(_ service: UnitFile) {
    var rest: [String] = []
    for setting in service.settings where setting.section == "Service" && !TimerWriter.handled.contains(setting.key) {
      if setting.key == "Type", ["oneshot", "simple", "exec"].contains(setting.value) { continue }
      if !rest.contains(setting.key) { rest.append(setting.key) }
    }
    for setting in service.settings + unit.timer.settings where setting.section == "Unit" {
      let isCondition = setting.key.hasPrefix("Condition") || setting.key.hasPrefix("Assert")
      let isOther = setting.key == "OnFailure" || setting.key == "OnSuccess"
      if isCondition || isOther, !rest.contains(setting.key) { rest.append(setting.key) }
    }
    if !rest.isEmpty { note("not carried over: \(rest.joined(separator: ", "))") }
  }

  static let helper = """
    -- Runs programs one after another. What they write goes to the log; an exit code other than 0 is a failed run, unless
    -- may_fail says that it does not matter.
    local function programs(commands, options)
      return function()
        for _, command in ipairs(commands) do
          local words = { table.unpack(command) }
          local result, why = exec(words, options)
          if not result then error(why, 0) end
          if result.stdout ~= "" then log.info(result.stdout) end
          if result.stderr ~= "" then log.warn(result.stderr) end
          if result.code ~= 0 and not command.may_fail then error(words[1] .. ": exit code " .. result.code, 0) end
        end
      end
    end
    """
}
