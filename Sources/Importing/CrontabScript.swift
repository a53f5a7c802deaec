internal import Chronology
package import Triggers

/// Makes a job script of a crontab.
///
///     let crontab = Crontab("0 3 * * * backup --all", isSystemWide: false)
///     crontab.script(from: ImportOrigin(source: "crontab", script: "cron.lua"), context: context).lua
///     // … -- 0 3 * * * backup --all
///     //   job "backup" { cron = "0 3 * * *", run = shell("backup --all", vars) }
extension Crontab {
  /// The script: each line as a comment, each entry as a job that fires when cron would run it.
  ///
  /// - Parameter context: where zones are looked up, and whose zone schedules are checked in.
  package func script(from origin: ImportOrigin, context: TriggerContext) -> ImportedScript {
    var writer = CrontabWriter(origin, context)
    for line in lines { writer.add(line) }
    return writer.finish()
  }
}

/// The state of the walk over a crontab's lines.
private struct CrontabWriter {
  private let origin: ImportOrigin
  private let context: TriggerContext
  private var names: JobNames
  private var body: [String] = []
  private var notes: [ImportNote] = []
  private var jobCount = 0
  /// Every shell and other program that jobs start, for the grant.
  private var programs: [String] = []
  /// Every variable that jobs set for them, for the grant.
  private var variables: [String] = []
  private var users: Set<String> = []

  // What variables have set for the entries below them.
  /// Cron's own defaults, in the order in which they are written. Its path is short; jobs may rely on that.
  private var environment = [(key: "PATH", value: "/usr/bin:/bin"), (key: "SHELL", value: "/bin/sh")]
  private var environmentIsWritten = false
  private var hasEnvironment = false
  private var zone: String?
  private var delay: String?

  init(_ origin: ImportOrigin, _ context: TriggerContext) {
    self.origin = origin
    self.context = context
    names = JobNames(taken: origin.takenNames)
  }

  mutating func add(_ line: Crontab.Line) {
    switch line.item {
    case .blank:
      body.append("")
    case .comment(let text):
      body.append(LuaWriter.comment(text))
    case .variable(let name, let value):
      body.append(LuaWriter.comment(line.text))
      set(name, value, line)
    case .entry(let entry):
      add(entry, line)
    case .unreadable(let reason):
      lose(line, reason)
    }
  }

  private mutating func lose(_ line: Crontab.Line, _ reason: String) {
    body.append(LuaWriter.comment(line.text))
    note(line, "not imported, because \(reason)", isLoss: true)
  }

  private mutating func note(_ line: Crontab.Line, _ message: String, isLoss: Bool = false) {
    notes.append(ImportNote(place: "line \(line.number)", message: message, isLoss: isLoss))
    body += LuaWriter.comment(wrapping: "^ \(message)")
  }

  private mutating func set(_ name: String, _ value: String, _ line: Crontab.Line) {
    switch name {
    case "CRON_TZ":
      do {
        zone = value.isEmpty ? nil : try context.zones.zone(named: value).name
      } catch {
        zone = nil
        note(line, "\(error); the jobs below run in the host's zone")
      }
    case "MAILTO":
      guard !value.isEmpty else { return }
      note(
        line,
        "mail is not carried over: what a command writes goes to the log, and on_error = function(ctx, err) … end "
          + "in a job is called when it fails")
    case "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING":
      note(line, "mail is not carried over")
    case "RANDOM_DELAY":
      guard let minutes = Int(value), minutes >= 0 else {
        note(line, "\"\(value)\" is no number of minutes; the jobs below start without a delay")
        return
      }
      delay = minutes == 0 ? nil : "\(minutes)m"
    case "LOGNAME", "USER":
      note(line, "cron does not let a crontab change it, and it is not carried over")
    default:
      environment.removeAll { $0.key == name }
      environment.append((name, value))
      environmentIsWritten = false
    }
  }

  private var shell: String { environment.last { $0.key == "SHELL" }?.value ?? "/bin/sh" }

  private mutating func add(_ entry: Crontab.Entry, _ line: Crontab.Line) {
    var entry = entry
    var remark: String?
    let words = entry.schedule.split(separator: " ").map(String.init)
    switch entry.schedule.hasPrefix("@") ? .asWritten : CrontabField.reading(of: words) {
    case .asWritten: break
    case .other(let fields):
      remark = "Debian's cron reads \(entry.schedule) as \(fields), and so does the job"
      entry.schedule = fields
    case .never:
      body.append(LuaWriter.comment(line.text))
      return note(line, "no job, because cron never runs it: a range in it goes backwards")
    case .refused:
      remark = "Debian's cron refuses a crontab with this line; the job means what is written"
    }
    do {
      var checked = context
      checked.jobName = "job"
      _ = try TriggerBuilder.build("cron", [.string(entry.schedule)], context: checked)
    } catch {
      return lose(line, "\(error)")
    }
    writeEnvironment()
    body.append(LuaWriter.comment(line.text))
    if let remark { note(line, remark) }
    if let user = entry.user { users.insert(user) }
    let isOther = entry.user != nil && entry.user != "root"
    for program in isOther ? [CrontabWriter.runuser] : [shell] where !programs.contains(program) {
      programs.append(program)
    }
    variables += environment.map(\.key).filter { !variables.contains($0) }
    var options: [(key: String, literal: String)] = []
    if isOther, let user = entry.user { options.append(("user", LuaWriter.string(user))) }
    if let input = entry.input { options.append(("stdin", LuaWriter.string(input))) }
    let last = options.isEmpty ? "" : ", \(LuaWriter.table(options))"
    var fields = [(key: "cron", literal: LuaWriter.string(entry.schedule))]
    // A start of the host needs no zone, and has nothing to spread.
    let isStart = entry.schedule.lowercased() == "@reboot"
    if let zone, !isStart { fields.append(("timezone", LuaWriter.string(zone))) }
    if let delay, !isStart { fields.append(("jitter", LuaWriter.string(delay))) }
    fields.append(("run", "shell(\(LuaWriter.string(entry.command)), vars\(last))"))
    body.append(LuaWriter.job(names.unique(JobNames.name(ofCommandLine: entry.command)), fields))
    jobCount += 1
  }

  /// A new table for each change: a job keeps the one that it was declared with.
  private mutating func writeEnvironment() {
    guard !environmentIsWritten else { return }
    let fields = environment.map { (key: $0.key, literal: LuaWriter.string($0.value)) }
    let table = LuaWriter.table(fields)
    let line = "\(hasEnvironment ? "" : "local ")vars = \(table)"
    if line.count <= LuaWriter.width {
      body.append(line)
    } else {
      body.append("\(hasEnvironment ? "" : "local ")vars = {")
      for field in fields { body.append("  \(LuaWriter.table([field]).dropFirst(2).dropLast(2)),") }
      body.append("}")
    }
    environmentIsWritten = true
    hasEnvironment = true
  }

  // MARK: The head of the script

  private static let runuser = "/usr/sbin/runuser"

  func finish() -> ImportedScript {
    var lines = LuaWriter.comment(wrapping: "Made of \(origin.source) by `moondial import crontab`.")
    var notes = notes
    if jobCount > 0 {
      lines += ["--"] + LuaWriter.grant(to: origin.script, programs: programs, variables: variables)
      if !users.isEmpty {
        let message = "the jobs ran as \(users.sorted().joined(separator: ", ")): the host must be run by root for that"
        notes.insert(ImportNote(place: "accounts", message: message), at: 0)
        lines += LuaWriter.comment(wrapping: "T\(message.dropFirst()).")
      }
      lines += ["", CrontabWriter.defaults, "", users.subtracting(["root"]).isEmpty ? Self.shell : Self.shellForUsers]
    }
    if body.first != "" { lines.append("") }
    return ImportedScript(
      lua: (lines + body).joined(separator: "\n") + "\n", notes: notes, jobCount: jobCount)
  }

  private static let defaults = """
    -- As with cron, a run begins even while the last one goes on, and what fell due while the host was down is not run.
    job_defaults { max_instances = 100, misfire_grace_time = "1m" }
    """

  private static let shell = """
    -- Runs a command line as cron does: by the crontab's shell, in the home directory. Each line that it writes goes to
    -- the log; an exit code other than 0 is a failed run.
    local function shell(command, vars, options)
      local words = { vars.SHELL, "-c", "cd; " .. command }
      local settings = { env = vars, stdin = options and options.stdin }
    \(ending)
    """

  private static let shellForUsers = """
    -- Runs a command line as cron does: by the crontab's shell, in the account's home directory. Each line that it
    -- writes goes to the log; an exit code other than 0 is a failed run.
    local function shell(command, vars, options)
      local user = options and options.user
      local words = { vars.SHELL, "-c", "cd; " .. command }
      if user then
        local home = vars.HOME and "" or ("HOME=~%s; export HOME; "):format(user)
        local account = ("LOGNAME=%s; export LOGNAME; cd; "):format(user)
        words = { "\(runuser)", "-u", user, "--", vars.SHELL, "-c", home .. account .. command }
      end
      local settings = { env = vars, stdin = options and options.stdin }
    \(ending)
    """

  private static let ending = """
      return function()
        local result, why = exec(words, settings)
        if not result then error(why, 0) end
        for line in result.stdout:gmatch("[^\\n]+") do log.info(line) end
        for line in result.stderr:gmatch("[^\\n]+") do log.warn(line) end
        if result.code ~= 0 then error("exit code " .. result.code, 0) end
      end
    end
    """
}
