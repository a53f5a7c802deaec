package import Chronology

/// Fires once at each start of the host, never at an instant. There is one.
package final class StartupTrigger: PlainTriggerKind {
  fileprivate static let only = StartupTrigger()

  private init() {}

  package func next(after instant: Instant) -> Instant? { nil }
  package var zones: [TimeZoneRules] { [] }
  package var firesAtStart: Bool { true }
  package func lua(_ form: LuaForm) -> String { "startup()" }
  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }
  package var explanation: String { "Once at each start of the host" }
}

extension StartupTrigger: Hashable {
  package static func == (left: StartupTrigger, right: StartupTrigger) -> Bool { true }
  package func hash(into hasher: inout Hasher) {}
}

extension AnyTrigger {
  /// Fires once at each start of the host, never at an instant.
  public static let startup = AnyTrigger(StartupTrigger.only)
}

/// `startup()`.
enum StartupConstructor: TriggerConstructor {
  static let name = "startup"
  static let summary = "once at each start of the host"
  static let example = "startup()"
  static let parameters: [String] = []
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    guard arguments.allSatisfy({ $0 == .nothing }) else { throw TriggerError("it takes no arguments") }
    return BuiltTrigger(.startup)
  }
}
