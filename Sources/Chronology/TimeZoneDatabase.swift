internal import Basics
internal import Synchronization

/// The system's time zones: IANA names to rules, read from TZif files when they are first asked for, and kept.
///
///     let zones = TimeZoneDatabase()
///     try zones.zone(named: "Europe/Berlin").offset(at: now)
///     try zones.zone(named: "Europe/Berln")     // throws: no time zone "Europe/Berln"; did you mean Europe/Berlin?
///
/// `UTC` needs no files. Everything may be called from any thread; the first use of a zone reads a file of a few KB,
/// the others take a lock for a dictionary lookup.
package final class TimeZoneDatabase: Sendable {
  /// Where the files are.
  package let directory: String

  private struct Cached {
    var rules: TimeZoneRules
    var stamp: FileStamp?
    /// Where the rules come from when that is not the directory: the machine's own file or rule (``adopt(_:from:)``).
    var isAdopted = false
  }
  private let cache = Mutex<[String: Cached]>([:])

  /// The zones below `directory`. Nothing is read yet.
  package init(directory: String = "/usr/share/zoneinfo") { self.directory = directory }

  /// The rules of the zone called `name`, upper and lower case as IANA has them. `UTC`, `Etc/UTC` and `Z` always exist.
  package func zone(named name: String) throws(TimeZoneError) -> TimeZoneRules {
    if let cached = cache.withLock({ $0[name]?.rules }) { return cached }
    let loaded = try load(name)
    return cache.withLock { zones in
      // Another thread may have loaded it meanwhile; the first one stays, so that references stay equal.
      if let cached = zones[name] { return cached.rules }
      zones[name] = loaded
      return loaded.rules
    }
  }

  /// Takes in rules under a name that is none of the directory's: those of the machine's own zone, from the file at
  /// `path` (which ``reload()`` follows) or from a rule.
  func adopt(_ rules: TimeZoneRules, from path: String?) {
    let adopted = Cached(rules: rules, stamp: path.flatMap { FileStamp(path: $0) }, isAdopted: true)
    cache.withLock { $0[rules.name] = $0[rules.name] ?? adopted }
  }

  /// Looks at the files of all zones in use, reads those that changed, and answers the names whose rules are different
  /// now.
  ///
  /// Rules handed out before stay as they were: what should follow asks for its zone again. A zone whose file has
  /// become unreadable keeps its last good rules.
  package func reload() -> [String] {
    let known = cache.withLock { $0 }
    var changed: [String] = []
    for (name, cached) in known {
      let path = cached.isAdopted ? name : path(of: name)
      guard cached.stamp != nil || !cached.isAdopted, let stamp = FileStamp(path: path), stamp != cached.stamp
      else { continue }
      // Keeping the last good rules is the documented answer to a broken file.
      guard let loaded = cached.isAdopted ? try? adopted(name, stamp) : try? load(name) else { continue }
      let differs = loaded.rules != cached.rules
      let kept = Cached(
        rules: differs ? loaded.rules : cached.rules, stamp: loaded.stamp, isAdopted: cached.isAdopted)
      cache.withLock { $0[name] = kept }
      if differs { changed.append(name) }
    }
    return changed.sorted()
  }

  /// The files below "right" count leap seconds, which our clock does not, and end when the next one is unknown: the
  /// same rules without them are in the plain file.
  private func path(of name: String) -> String {
    let plain = name.hasPrefix("right/") ? String(name.dropFirst(6)) : name
    return directory + "/" + plain
  }

  private func load(_ name: String) throws(TimeZoneError) -> Cached {
    guard TimeZoneDatabase.isPlausible(name) else { throw unknown(name) }
    let path = path(of: name)
    let stamp = FileStamp(path: path)
    guard let bytes = FileBytes.read(path, limit: 1 << 20) else {
      if ["UTC", "Etc/UTC", "Z", "Zulu", "GMT", "Etc/GMT"].contains(name) {
        return Cached(rules: TimeZoneRules(name: name, fixedOffset: 0), stamp: stamp)
      }
      throw unknown(name)
    }
    do {
      return Cached(rules: try TimeZoneRules(name: name, tzif: bytes), stamp: stamp)
    } catch {
      throw TimeZoneError("the file of time zone \"\(name)\", \(path), is unusable: \(error.message)")
    }
  }

  private func adopted(_ path: String, _ stamp: FileStamp) throws(TimeZoneError) -> Cached {
    guard let bytes = FileBytes.read(path, limit: 1 << 20) else { throw unknown(path) }
    return Cached(rules: try TimeZoneRules(name: path, tzif: bytes), stamp: stamp, isAdopted: true)
  }

  /// Whether `name` can be a zone: it must stay below the directory.
  private static func isPlausible(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 80
      && name.utf8.allSatisfy { byte in
        (65...90).contains(byte & 0xDF) || (48...57).contains(byte) || "/_+-".utf8.contains(byte)
      } && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
  }

  private func unknown(_ name: String) -> TimeZoneError {
    let known = names
    guard known.count > 1 else {
      return TimeZoneError(
        "no time zone \"\(name)\": there are no zone files in \(directory); install them (Debian: apt install tzdata) "
          + "or use \"UTC\"")
    }
    let closest = Spelling.closest(to: name, among: known)
    guard !closest.isEmpty else {
      return TimeZoneError(
        "no time zone \"\(name)\": write an IANA name like \"Europe/Berlin\", \"America/New_York\" or \"UTC\"")
    }
    return TimeZoneError("no time zone \"\(name)\"; did you mean \(closest.joined(separator: ", "))?")
  }

  /// All zone names, sorted. Reads the directory tree each time.
  package var names: [String] {
    var found: Set<String> = ["UTC"]
    collect(below: "", into: &found)
    return found.sorted()
  }

  private func collect(below prefix: String, into found: inout Set<String>) {
    for entry in FileBytes.entries(directory + "/" + prefix) {
      let name = prefix + entry.name
      // "posix" and "right" repeat the tree; "posixrules" and "localtime" are not zones.
      if ["posix", "right", "posixrules", "localtime"].contains(name) { continue }
      if entry.isDirectory {
        collect(below: name + "/", into: &found)
      } else if entry.name.utf8.first.map({ (65...90).contains($0) }) == true, !entry.name.utf8.contains(46) {
        found.insert(name)
      }
    }
  }
}

/// Why a zone cannot be used: one sentence.
package struct TimeZoneError: Error, Sendable, Hashable, CustomStringConvertible {
  package let message: String
  init(_ message: String) { self.message = message }
  package var description: String { message }
}
