internal import Basics
internal import FileWatching
package import JobModel
internal import Lua
internal import ScriptRuntime

/// Code that is no script's, and that other hosts may have.
package protocol PlaceablePayload: JobPayload {
  /// The same on every host that has the same code.
  var placementDigest: String { get }
  /// Why only the host that leads can run it; nil: every host that has the same.
  var staysWithLeader: String? { get }
}

/// On which hosts a job can be executed: what names its content, or why it stays with the host that leads.
struct JobReach: Sendable, Equatable {
  /// The same on every host that has the same code and options of the job.
  var digest: String
  /// Why only the host that leads can run it; nil: every host that has the same.
  var staysHere: String?
  /// Modules that it asks for inside a run are in no digest: only hosts with the same files are alike.
  var needsSameFiles = false

  /// O(what the job reaches): callers keep it.
  init(_ definition: JobDefinition) {
    guard let payload = definition.payload as? LuaJobPayload else {
      if let payload = definition.payload as? any PlaceablePayload {
        (digest, staysHere) = (payload.placementDigest, payload.staysWithLeader)
        return
      }
      digest = ""
      staysHere = "it is a job of the program, not of a script"
      return
    }
    let code = payload.capsule.encoded()
    digest = Self.digest(definition, payload)
    needsSameFiles = Self.names("require", in: code)
    if payload.capsule.isNeverEqual {
      staysHere = "it has a table with objects as keys, which no two hosts have in common"
    } else if definition.watch != nil {
      staysHere = "it watches for files, which the host that leads does"
    } else if let name = ["emit", "wait", "jobs"].first(where: { Self.names($0, in: code) }) {
      staysHere = "it uses \(name), which asks the scheduler"
    } else if let name = ["wait_for", "transaction", "outbox"].first(where: { Self.names($0, in: code) }) {
      staysHere = "it uses ctx.\(name), which asks the scheduler"
    }
  }

  private static func digest(_ definition: JobDefinition, _ payload: LuaJobPayload) -> String {
    var writer = WireWriter()
    writer.write(bytes: payload.capsule.hashes().code.bytes)
    writer.write(payload.script.text)
    writer.write(definition.name)
    writer.write(payload.memoryLimit)
    writer.write(definition.timeout)
    writer.write(definition.params?.text)
    writer.write(definition.executor)
    writer.write(definition.store)
    writer.write(definition.timeZone)
    writer.write(definition.state.rawValue)
    writer.write(definition.retry) {
      $0.write($1.max)
      $0.write($1.backoff.rawValue)
      $0.write($1.base)
      $0.write($1.cap)
      $0.write($1.jitter)
    }
    return String(ContentHash(of: writer.bytes).description.prefix(32))
  }

  /// Whether code names something: as a constant of a function, as which `lua_dump` writes a short text (its type, its
  /// length and one with the highest bit set), or by a local that holds a global of the host, to which the capsule says
  /// the way (`g` the globals, `k` a field). A word that means something else is found as well.
  private static func names(_ name: String, in code: [UInt8]) -> Bool {
    let (text, length) = (Array(name.utf8), UInt8(name.utf8.count))
    return code.contains([0x04, 0x80 | (length + 1)] + text)
      || code.contains([UInt8(ascii: "g"), UInt8(ascii: "k"), length] + text)
  }
}

extension [UInt8] {
  /// Whether `part` is in it. O(n) for the short ones that are looked for.
  fileprivate func contains(_ part: some Collection<UInt8>) -> Bool {
    guard let first = part.first, count >= part.count else { return false }
    var position = startIndex
    while let found = self[position...].firstIndex(of: first) {
      if self[found...].starts(with: part) { return true }
      position = found + 1
    }
    return false
  }
}

/// Reaches of jobs by name, as long as their code is the same object.
struct JobReaches: Sendable {
  private struct Known: Sendable {
    weak let payload: (any JobPayload)?
    var options: DefinitionOptions
    var reach: JobReach
  }
  private var known: [String: Known] = [:]

  mutating func reach(of definition: JobDefinition) -> JobReach {
    if let found = known[definition.name], found.payload === definition.payload, found.options == definition.options {
      return found.reach
    }
    let reach = JobReach(definition)
    if known.count > 10_000 { known = [:] }
    known[definition.name] = Known(payload: definition.payload, options: definition.options, reach: reach)
    return reach
  }
}
