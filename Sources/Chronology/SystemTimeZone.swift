/// The zone of the machine: what `date` would use, by glibc's rules.
///
/// A value. ``TimeZoneDatabase/machineZone(tz:localtime:timezone:)`` makes one and sees to it that the database answers
/// ``name``, also where it is no IANA name.
package struct MachineZone: Sendable, Hashable {
  /// `Europe/Berlin`; a POSIX rule as it was written, `<-03>3`; or the path of a file that is no zone of the system.
  package let name: String
  /// Who says so: `TZ`, `/etc/localtime`; `nil` when nobody does, and UTC is meant.
  package let origin: String?
  /// Why what was said cannot be used, as a sentence that names its place; then ``name`` is `UTC`.
  package let problem: String?

  /// `Europe/Berlin (from TZ)`: for the first line of a log.
  package var words: String { origin.map { "\(name) (from \($0))" } ?? "\(name) (the machine has no zone set)" }
}

extension TimeZoneDatabase {
  /// Finds the machine's zone as glibc does: what `TZ` says if it is set, and else `/etc/localtime`.
  ///
  /// `TZ` is a zone's name, the path of a file, or a POSIX rule, the first two with or without a colon before them; set
  /// and empty it means UTC. `/etc/localtime` is a link, to whatever depth, or a file; a file is called by the name of
  /// the zone whose rules it has. (`/etc/timezone` is asked only where there is no `/etc/localtime`.)
  ///
  /// Reads a few small files; a local time file that is no link costs a comparison with the files of all zones.
  package func machineZone(
    tz: String?, localtime: String = "/etc/localtime", timezone: String = "/etc/timezone"
  ) -> MachineZone {
    guard let tz else { return zone(ofFile: localtime, or: timezone) }
    let text = tz.hasPrefix(":") ? String(tz.dropFirst()) : tz
    if text.isEmpty { return MachineZone(name: "UTC", origin: "TZ", problem: nil) }
    if text.hasPrefix("/") {
      do throws(TimeZoneError) {
        return MachineZone(name: try name(ofFile: text), origin: "TZ", problem: nil)
      } catch {
        return MachineZone(name: "UTC", origin: "TZ", problem: "TZ=\(tz): \(error)")
      }
    }
    do throws(TimeZoneError) {
      _ = try zone(named: text)
      return MachineZone(name: text, origin: "TZ", problem: nil)
    } catch {
      if let rule = try? PosixTimeZone(text, isComplete: false), rule.hasLongNames {
        adopt(TimeZoneRules(name: text, rule: rule), from: nil)
        return MachineZone(name: text, origin: "TZ", problem: nil)
      }
      let hint = text.contains(",") ? "; it is no POSIX rule like CET-1CEST,M3.5.0,M10.5.0/3 either" : ""
      return MachineZone(name: "UTC", origin: "TZ", problem: "the environment variable TZ=\(tz): \(error)\(hint)")
    }
  }

  private func zone(ofFile localtime: String, or timezone: String) -> MachineZone {
    if FileBytes.exists(localtime) {
      do throws(TimeZoneError) {
        let name = try name(ofFile: localtime, likely: line(in: timezone))
        return MachineZone(name: name, origin: localtime, problem: nil)
      } catch {
        return MachineZone(name: "UTC", origin: localtime, problem: "\(localtime): \(error)")
      }
    }
    guard let line = line(in: timezone) else { return MachineZone(name: "UTC", origin: nil, problem: nil) }
    do throws(TimeZoneError) {
      _ = try zone(named: line)
      return MachineZone(name: line, origin: timezone, problem: nil)
    } catch {
      return MachineZone(name: "UTC", origin: timezone, problem: "\(timezone): \(error)")
    }
  }

  private func line(in path: String) -> String? {
    guard let bytes = FileBytes.read(path, limit: 4096) else { return nil }
    let line = bytes.prefix { $0 > 32 }
    return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
  }

  /// What the zone in a file is called: by the links on the way to it, by its content, or by its path.
  private func name(ofFile path: String, likely: String? = nil) throws(TimeZoneError) -> String {
    let names = TimeZoneDatabase.zoneNames(onTheWayTo: path)
    guard let bytes = FileBytes.read(path, limit: 1 << 20) else {
      // A machine without zone files may still link to UTC.
      for name in names where (try? zone(named: name)) != nil { return name }
      throw TimeZoneError("there is no file of time zone rules at \(path)")
    }
    let rules: TimeZoneRules
    do throws(TimeZoneError) {
      rules = try TimeZoneRules(name: path, tzif: bytes)
    } catch {
      throw TimeZoneError("the file is no time zone: \(error.message)")
    }
    // A name on the way counts when it still means these rules.
    if let name = names.first(where: { isSame($0, rules) }) { return name }
    if let likely, isSame(likely, rules) { return likely }
    // A copy: the zone with the same rules whose name says most, Europe/Berlin rather than CET or posixrules.
    let all = self.names.sorted { ($0.contains("/") ? 0 : 1, $0) < ($1.contains("/") ? 0 : 1, $1) }
    if let name = all.first(where: { FileBytes.read("\(directory)/\($0)", limit: 1 << 20) == bytes }) { return name }
    adopt(rules, from: path)
    return path
  }

  private func isSame(_ name: String, _ rules: TimeZoneRules) -> Bool {
    guard let zone = try? zone(named: name) else { return false }
    return zone.stretches == rules.stretches
  }

  /// The names that a path and the links behind it spell.
  private static func zoneNames(onTheWayTo path: String) -> [String] {
    var names: [String] = []
    var place = path
    for _ in 0..<40 {
      if let name = zoneName(inPath: place) { names.append(name) }
      guard let target = FileBytes.linkTarget(place) else { break }
      place = target.hasPrefix("/") ? target : folder(of: place) + target
    }
    return names
  }

  private static func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }

  /// `Europe/Berlin` in `/usr/share/zoneinfo/Europe/Berlin` or `../usr/share/zoneinfo/posix/Europe/Berlin`.
  private static func zoneName(inPath path: String) -> String? {
    let parts = path.split(separator: "/")
    guard let root = parts.lastIndex(of: "zoneinfo") else { return nil }
    let name = parts[(root + 1)...].drop { $0 == "posix" || $0 == "right" }
    return name.isEmpty ? nil : name.joined(separator: "/")
  }
}
