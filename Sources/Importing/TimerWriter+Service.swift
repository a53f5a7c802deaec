extension TimerWriter {
  /// What the service does, as the `run` of a job; `nil` (and a note) when that cannot be said.
  mutating func run() -> String? {
    guard let service = unit.service else {
      note("not imported, because \(unit.serviceName) was not found beside it", isLoss: true)
      return nil
    }
    let variables = environment(service)
    var steps: [String] = []
    for key in ["ExecStartPre", "ExecStart", "ExecStartPost"] {
      for line in service.values("Service", key) {
        guard let commands = UnitText.commands(line) else {
          note("\(key)=\(line) is not imported, because a quote in it is not closed", isLoss: true)
          return nil
        }
        for words in commands {
          guard let step = step(key, words, variables, service) else { return nil }
          steps.append(step)
        }
      }
    }
    guard !service.values("Service", "ExecStart").isEmpty, !steps.isEmpty else {
      note("not imported, because \(unit.serviceName) has no ExecStart", isLoss: true)
      return nil
    }
    var options: [(key: String, literal: String)] = []
    options.append(("cwd", LuaWriter.string(directory(service))))
    if !variables.isEmpty {
      self.variables = variables.map(\.key)
      options.append(("env", LuaWriter.table(variables.map { ($0.key, LuaWriter.string($0.value)) })))
    }
    noteTheRest(service)
    let last = options.isEmpty ? "" : ", \(LuaWriter.table(options))"
    if steps.count == 1, steps[0].count + last.count < 90 { return "programs({ \(steps[0]) }\(last))" }
    return "programs({\n\(steps.map { "    \($0),\n" }.joined())  }\(last))"
  }

  /// The working directory: the root, where the unit says nothing.
  private mutating func directory(_ service: UnitFile) -> String {
    guard let directory = service.value("Service", "WorkingDirectory") else { return "/" }
    let path = expand(directory.hasPrefix("-") ? String(directory.dropFirst()) : directory, "WorkingDirectory")
    guard path == "~" else { return path }
    if let user = service.value("Service", "User"), expand(user, "User") != "root" {
      note("WorkingDirectory=~ is not carried over: give cwd the path of that home directory")
      return "/"
    }
    return "/root"
  }

  private mutating func expand(_ value: String, _ key: String) -> String {
    let (text, unknown) = UnitName(unit.serviceName).expanded(value)
    if let unknown { note("\(key): \(unknown) depends on the machine and is left as it is") }
    return text
  }

  private mutating func environment(_ service: UnitFile) -> [(key: String, value: String)] {
    var variables: [(key: String, value: String)] = []
    for text in service.values("Service", "Environment") {
      for word in UnitText.words(text) ?? [] {
        let word = expand(word, "Environment")
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
    _ key: String, _ words: [String], _ variables: [(key: String, value: String)], _ service: UnitFile
  ) -> String? {
    let shown = "\(key)=\(words.joined(separator: " "))"
    var line = words[0][...]
    var mayFail = false
    var isLiteral = false
    var isPrivileged = false
    while let prefix = line.first, "-@:+!".contains(prefix) {
      line = line.dropFirst()
      switch prefix {
      case "-": mayFail = true
      case ":": isLiteral = true
      case "+": isPrivileged = true
      case "@":
        note("\(key): a program with another name for itself (@) is not imported", isLoss: true)
        return nil
      default: note("\(key): the privileges of \(prefix) are not carried over")
      }
    }
    var command: [String] = []
    for word in [String(line)] + words.dropFirst() {
      let word = expand(word, key)
      command += isLiteral ? [word] : substituted(word, key, variables)
    }
    guard !command.isEmpty, !command[0].isEmpty else {
      note("\(shown) is not imported, because nothing is left of it", isLoss: true)
      return nil
    }
    // A plus means the rights of the manager, which are those of the host.
    if let user = service.value("Service", "User").map({ expand($0, "User") }), user != "root", !isPrivileged {
      note("User=\(user) is carried over by runuser, for which the host must be run by root")
      command = ["/usr/sbin/runuser", "-u", user, "--"] + command
    }
    if !programs.contains(command[0]) { programs.append(command[0]) }
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
}
