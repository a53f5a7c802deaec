internal import Basics
package import Chronology
internal import JobModel
package import Lua
package import Triggers

/// Reads trigger expressions, as `moondial next` is given them: `cron "0 9 * * mon-fri"`, `any_of { every "1h", at
/// "2027-01-01" }`, any Lua expression that is a trigger; and, since people type it, a bare cron expression.
///
///     let evaluator = try ExpressionEvaluator(runtime: runtime, zones: zones)
///     try evaluator.trigger("cron \"0 9 * * mon-fri\"", zone: berlin).trigger.next(after: now)
///
/// One state serves all expressions and is reset in between: thousands a second. Not thread-safe.
package final class ExpressionEvaluator {
  private let declaration: LuaDeclaration
  private let session = DeclareSession()
  private let zones: TimeZoneDatabase
  private let calendars: (any CalendarSource)?

  /// - Parameter calendars: where calendar files are read; without it, naming one is an error.
  package init(
    runtime: LuaRuntime, zones: TimeZoneDatabase, calendars: (any CalendarSource)? = nil
  ) throws(LuaError) {
    declaration = try runtime.makeDeclaration(
      memoryLimit: 16 << 20, timeout: 1_000_000_000, context: session,
      loader: { _ in .missing("an expression cannot require modules") })
    self.zones = zones
    self.calendars = calendars
  }

  /// The trigger of `expression`, with `zone` where it names none.
  ///
  /// - Parameter jobName: what `H` fields are derived from.
  package func trigger(
    _ expression: String, zone: TimeZoneRules, jobName: String? = nil, now: Instant? = nil
  ) throws(ExpressionError) -> BuiltTrigger {
    let context = TriggerContext(
      zones: zones, zone: zone, jobName: jobName ?? expression, now: now, calendars: calendars,
      deadline: WorkDeadline(allowed: 10_000_000_000))
    do {
      switch ExpressionForm(expression) {
      case .cron:
        let built = try TriggerBuilder.build("cron", [.string(expression)], context: context)
        guard jobName == nil, ExpressionForm.usesHash(expression) else { return built }
        let note = TriggerNote(
          "H is a value of each job's own: cron(\(quoted(expression)), { name = \"backup\" }) shows that of the job backup"
        )
        return BuiltTrigger(built.trigger, notes: built.notes + [note])
      case .other(let advice): throw ExpressionError(advice)
      case .lua: break
      }
      return try specification(expression).build(in: context)
    } catch let error as TriggerError {
      throw ExpressionError(error.description)
    } catch let error as LuaError {
      throw ExpressionError(ExpressionEvaluator.plain(error))
    } catch {
      throw ExpressionError("\(error)")
    }
  }

  /// The names in a global table of the host, as scripts see it; `nil` where the global is none.
  package func fields(of global: String) -> [String]? {
    guard global.utf8.allSatisfy({ (97...122).contains($0 | 0x20) || (48...57).contains($0) || $0 == 95 }) else {
      return nil
    }
    session.begin(.expression, file: "expression")
    defer { declaration.reset() }
    let listing = """
      (function()
        local found, value = pcall(function() return \(global) end)
        if not found or type(value) ~= "table" then return false end
        local names = {}
        for name in pairs(value) do names[#names + 1] = tostring(name) end
        return table.concat(names, " ")
      end)()
      """
    guard case .string(let names)? = try? declaration.evaluate(expression: listing) else { return nil }
    return names.text.split(separator: " ").map(String.init)
  }

  /// The trigger value that the expression evaluates to.
  private func specification(_ expression: String) throws -> TriggerSpecification {
    session.begin(.expression, file: "expression")
    defer { declaration.reset() }
    let value = try declaration.evaluate(expression: expression)
    if case .object(let object) = value, let specification = object as? TriggerSpecification { return specification }
    if let problem = session.problems.sorted(in: "expression").first { throw ExpressionError(problem.message) }
    throw ExpressionError(
      "\(quoted(expression)) is \(value.shown), not a trigger; write one like cron \"0 9 * * mon-fri\" or every \"90s\""
    )
  }

  /// A message without its place: an expression has but one line.
  private static func plain(_ error: LuaError) -> String {
    if let file = error.file, let line = error.line, error.message.hasPrefix("\(file):\(line): ") {
      return String(error.message.dropFirst("\(file):\(line): ".count))
    }
    return error.message
  }
}

/// Why something is not a trigger expression: one sentence.
package struct ExpressionError: Error, Sendable, Hashable, CustomStringConvertible {
  package let message: String
  package init(_ message: String) { self.message = VisibleText.line(message) }
  package var description: String { message }
}
