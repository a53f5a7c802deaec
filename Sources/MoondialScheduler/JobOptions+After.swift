internal import Lua

extension JobOptions {
  /// After which runs of other jobs a job runs. `RunContext.event` then has `job`, `run`, `outcome` and `result`.
  ///
  ///     JobOptions(after: "extract")                              // after each success of it
  ///     JobOptions(after: ["left", "right"])                      // after each success of either
  ///     JobOptions(after: .job("backup", outcome: .failed))       // after each failure
  ///     JobOptions(after: .all(["left", "right"]))                // when both have succeeded since its last run
  public struct After: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByArrayLiteral {
    /// Which ends of a run count.
    public enum Outcome: String, Sendable, Hashable, CaseIterable {
      case succeeded
      /// It failed, timed out, ran out of memory or is stuck.
      case failed
      /// It ended, whatever came of it.
      case any
    }

    enum Form: Sendable, Hashable {
      case each([String], Outcome)
      case all([String])
    }
    let form: Form

    private init(_ form: Form) { self.form = form }

    /// After each run of one job that ended so.
    public static func job(_ name: String, outcome: Outcome = .succeeded) -> After { After(.each([name], outcome)) }

    /// After each run of any of these jobs that ended so.
    public static func each(_ names: [String], outcome: Outcome = .succeeded) -> After { After(.each(names, outcome)) }

    /// When all of these jobs have succeeded since its own last run. What has succeeded so far is kept in its store.
    public static func all(_ names: [String]) -> After { After(.all(names)) }

    /// After each success of one job.
    public init(stringLiteral name: String) { self.init(.each([name], .succeeded)) }

    /// After each success of any of these jobs.
    public init(arrayLiteral names: String...) { self.init(.each(names, .succeeded)) }

    /// The jobs that it names.
    var names: [String] {
      switch form {
      case .each(let names, _), .all(let names): names
      }
    }

    /// As the field of a Lua job.
    var value: LuaValue {
      switch form {
      case .all(let names): .table(LuaTable(fields: [("all", .texts(names))]))
      case .each(let names, .succeeded): .texts(names)
      case .each(let names, let outcome):
        .table(
          LuaTable(
            array: names.map {
              .table(LuaTable(fields: [("job", .text($0)), ("outcome", .text(outcome.rawValue))]))
            }))
      }
    }
  }
}
