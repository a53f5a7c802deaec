package import FileWatching
package import JobModel
package import Lua

/// What a Lua job carries through the scheduler to the runner: its captured code, and what a run of it needs besides.
///
/// Immutable, but for where its job's idle states are (``JobStates``): they go when the payload goes. There is one for
/// each of very many jobs, so what the jobs of a script have in common is one object.
package final class LuaJobPayload: JobStates, JobPayload, @unchecked Sendable {
  // @unchecked: as its base; it adds constants.
  /// The job's functions with everything they can reach; entries `run`, and `on_error`, `on_failure` and `on_success`
  /// where given.
  package let capsule: LuaCapsule
  /// What the jobs of its script share.
  package let scope: ScriptScope
  /// Sixteen times the bytes of its states, 0 for the runtime's default; and four flags. One word: what is left of a
  /// block of 64 bytes.
  private let packed: Int

  package init(
    capsule: LuaCapsule, scope: ScriptScope, memoryLimit: Int?, roots: JobRoots, isFailureHook: Bool = false
  ) {
    self.capsule = capsule
    self.scope = scope
    packed =
      (memoryLimit ?? 0) << 4 | (roots.onError == nil ? 0 : 1) | (roots.onSuccess == nil ? 0 : 2)
      | (roots.onFailure == nil ? 0 : 4) | (isFailureHook ? 8 : 0)
  }

  /// What its capsule says, in the process that runs it.
  package init(received capsule: LuaCapsule, scope: ScriptScope, memoryLimit: Int?, isFailureHook: Bool) {
    self.capsule = capsule
    self.scope = scope
    let entries = capsule.entries
    packed =
      (memoryLimit ?? 0) << 4 | (entries.contains("on_error") ? 1 : 0) | (entries.contains("on_success") ? 2 : 0)
      | (entries.contains("on_failure") ? 4 : 0) | (isFailureHook ? 8 : 0)
  }

  private init(_ other: LuaJobPayload) {
    capsule = other.capsule
    scope = other.scope
    packed = other.packed
  }

  /// The same code for another host: idle states belong to one.
  package func forAnotherHost() -> LuaJobPayload { LuaJobPayload(self) }

  /// The script that declared it: the name of its `kv` space, and what grants are matched against.
  package var script: ScriptPath { scope.script }
  package var owner: ObjectIdentifier { ObjectIdentifier(scope) }
  /// Bytes; `nil` is the runtime's default.
  package var memoryLimit: Int? { packed >> 4 == 0 ? nil : packed >> 4 }
  package var hasOnError: Bool { packed & 1 != 0 }
  package var hasOnSuccess: Bool { packed & 2 != 0 }
  package var hasOnFailure: Bool { packed & 4 != 0 }
  /// It is the `on_failure` of moondial.lua: its `run` is called with a run and an error instead of a `ctx`.
  package var isFailureHook: Bool { packed & 8 != 0 }
  /// Answers a `require` that is first reached inside a run.
  package var library: ModuleLibrary { scope.library }

  /// Whether the code is the same, but for lines, names of files and names of locals; and lies in the same script, so
  /// that `kv` and grants mean the same.
  package func difference(from other: any JobPayload) -> PayloadDifference {
    // Scripts that were not evaluated again bring the same payloads to every reload.
    if other === self { return .none }
    guard let other = other as? LuaJobPayload, scope.meansTheSame(as: other.scope) else { return .code }
    return switch capsule.difference(from: other.capsule) {
    case .none: .none
    case .lines: .lineInformation
    case .code: .code
    }
  }
}

/// What the jobs of one version of a script have in common. Immutable.
package final class ScriptScope: Sendable {
  package let script: ScriptPath
  package let library: ModuleLibrary
  /// The modules that runs have asked for without loading having required them, and what they held in this generation;
  /// `nil` for one that was missing.
  private let lateModules: [String: ContentHash?]
  /// Of all versions of the script.
  package let declared: DeclaredGlobals

  package init(
    script: ScriptPath, library: ModuleLibrary, lateModules: Set<String> = [], declared: DeclaredGlobals = .init()
  ) {
    self.script = script
    self.library = library
    self.declared = declared
    var hashes: [String: ContentHash?] = [:]
    for name in lateModules { hashes[name] = .some(library.contentHash(ofModule: name)) }
    self.lateModules = hashes
  }

  /// Whether code runs alike in both. A module that only one of them knows of was not asked for yet when the other was
  /// loaded; what counts is whether both libraries hold the same.
  package func meansTheSame(as other: ScriptScope) -> Bool {
    if self === other { return true }
    return script == other.script
      && lateModules.allSatisfy { name, hash in other.library.contentHash(ofModule: name) == hash }
      && other.lateModules.allSatisfy { name, hash in library.contentHash(ofModule: name) == hash }
  }
}
