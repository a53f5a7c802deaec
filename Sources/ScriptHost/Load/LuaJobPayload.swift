package import JobModel
package import Lua

/// What a Lua job carries through the scheduler to the runner: its captured code, and what a run of it needs besides.
///
/// Immutable, but for the states that the runner keeps in `slot`.
package final class LuaJobPayload: JobPayload {
  /// The job's functions with everything they can reach; entries `run`, and `on_error` and `on_success` where given.
  package let capsule: LuaCapsule
  /// The script that declared it: the name of its `kv` space, and what grants are matched against.
  package let script: ScriptPath
  /// Bytes; `nil` is the runtime's default.
  package let memoryLimit: Int?
  package let hasOnError: Bool
  package let hasOnSuccess: Bool
  /// Answers a `require` that is first reached inside a run.
  package let library: ModuleLibrary
  /// What such modules, as far as runs have asked for any, held in this generation.
  private let lateModules: [String: ContentHash?]
  /// The job's idle Lua states; they go when the payload goes.
  package let slot = JobStates()

  package init(
    capsule: LuaCapsule, script: ScriptPath, memoryLimit: Int?, entries: [String], library: ModuleLibrary,
    lateModules: Set<String> = []
  ) {
    self.capsule = capsule
    self.script = script
    self.memoryLimit = memoryLimit
    hasOnError = entries.contains("on_error")
    hasOnSuccess = entries.contains("on_success")
    self.library = library
    var hashes: [String: ContentHash?] = [:]
    for name in lateModules { hashes[name] = .some(library.contentHash(ofModule: name)) }
    self.lateModules = hashes
  }

  /// Whether the code is the same, but for lines, names of files and names of locals; and lies in the same script, so that `kv`
  /// and grants mean the same.
  package func difference(from other: any JobPayload) -> PayloadDifference {
    guard let other = other as? LuaJobPayload, script == other.script, hasSameLateModules(as: other) else { return .code }
    return switch capsule.difference(from: other.capsule) {
    case .none: .none
    case .lines: .lineInformation
    case .code: .code
    }
  }

  /// Modules that only one of the two knows of were not yet asked for when the other was loaded; they say nothing.
  private func hasSameLateModules(as other: LuaJobPayload) -> Bool {
    lateModules.allSatisfy { name, hash in other.library.contentHash(ofModule: name) == hash }
      && other.lateModules.allSatisfy { name, hash in library.contentHash(ofModule: name) == hash }
  }
}
