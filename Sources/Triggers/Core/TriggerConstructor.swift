/// A function with which scripts make triggers, and all that is said about it: to scripts, to editors and in the docs.
///
/// Each is a type without values in the folder of its kind, and one row of the table in `ConstructorName`. None of the
/// requirements has a default, so that the compiler names what a new constructor has forgotten.
package protocol TriggerConstructor: SendableMetatype {
  /// What scripts call it: `any_of`.
  static var name: String { get }

  /// When its triggers fire, as half a sentence: `by a cron expression or a table of fields`. The docs and editors show
  /// it.
  static var summary: String { get }

  /// A call with literals that makes a trigger: `cron "0 3 * * mon-fri"`. The docs and editors show it.
  static var example: String { get }

  /// Its parameters as editors know them, each with its type: `options? moondial.TriggerOptions`.
  static var parameters: [String] { get }

  /// The classes that only its parameters use, as the Lua language server reads them; empty when there are none.
  static var editorTypes: String { get }

  /// Whether what it makes depends on files beside its arguments, so that equal calls may make different triggers.
  static var readsFiles: Bool { get }

  /// The trigger that a call with these arguments makes. Errors are sentences about the arguments; the caller puts the
  /// call before them.
  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger
}
