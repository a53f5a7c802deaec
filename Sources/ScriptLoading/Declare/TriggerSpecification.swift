package import JobModel
package import Lua
package import Triggers

/// A trigger value in Lua, as `cron("0 3 * * *")` returns it: the constructor and what it was given.
///
/// It is built when a job uses it, because only then its environment is known: the job's zone and DST policy, and its
/// name for `H` fields. One specification may therefore mean 3 o'clock in Vienna in one job and in New York in another.
///
///     local nightly = cron "0 3 * * *"
///     job "a" { trigger = nightly, timezone = "Europe/Vienna", run = … }
///     job "b" { trigger = any_of { nightly, at "2027-01-01" }, run = … }
///
/// Immutable.
package final class TriggerSpecification: LuaObject {
  /// `cron`, `every`, `any_of`, …
  package let constructor: String
  package let arguments: [LuaValue]
  /// Where the constructor was called; `nil` when that is not known.
  package let location: SourceLocation?
  /// How large it is, with everything in it.
  package let extent: TriggerExtent

  package init(constructor: String, arguments: [LuaValue], location: SourceLocation? = nil) {
    self.constructor = constructor
    self.arguments = arguments
    self.location = location
    extent = TriggerExtent(of: arguments)
  }

  package var luaTypeName: String { "trigger" }

  /// Its parts without those of the trigger values inside it.
  var ownParts: Int {
    var parts = extent.parts
    func leaveOut(_ value: LuaValue) {
      switch value {
      case .object(let object):
        if let specification = object as? TriggerSpecification { parts -= specification.extent.parts - 1 }
      case .table(let table):
        for item in table.array { leaveOut(item) }
        for field in table.fields { leaveOut(field.value) }
        for other in table.others { leaveOut(other.value) }
      default: break
      }
    }
    for argument in arguments { leaveOut(argument) }
    return parts
  }

  /// The call that made it: `cron("0 3 * * *")`; cut when it is long.
  package var luaDescription: String { LuaTextWriter.call(constructor, arguments) }

  /// The trigger that this specification makes in `context`. Specifications inside it are built first, in the same
  /// context.
  ///
  /// Whoever builds many should go through a ``TriggerCache``.
  package func build(in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    var cache = TriggerCache()
    return try cache.build(self, in: context)
  }
}
