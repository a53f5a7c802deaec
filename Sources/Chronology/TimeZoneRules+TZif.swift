extension TimeZoneRules {
  /// The rules in a TZif file, with its rule for the future expanded to the end of ``Instant``'s range.
  package convenience init(name: String, tzif bytes: [UInt8]) throws(TimeZoneError) {
    let file = try TimeZoneFile(bytes: bytes)
    var changes = file.changes
    if !file.footer.isEmpty {
      let rule = try PosixTimeZone(file.footer)
      if let last = changes.last?.at {
        let first = CivilDateTime(localSeconds: min(max(last, -10_000_000_000), 10_000_000_000)).date.year
        for year in stride(from: first, through: TimeZoneRules.lastYear, by: 1) {
          for change in rule.changes(in: year) where change.at > last { changes.append(change) }
        }
      } else {
        // A zone that never changed: the footer is all there is.
        for year in 1800...TimeZoneRules.lastYear { changes += rule.changes(in: year) }
      }
      // Rules of neighbouring years may interleave where a change lies around New Year.
      changes.sort { $0.at < $1.at }
    }
    self.init(name: name, firstOffset: file.firstOffset, changes: changes)
  }

  /// The zone that follows a POSIX rule in all years.
  convenience init(name: String, rule: PosixTimeZone) {
    var changes: [(at: Int, offset: Int)] = []
    for year in 1800...TimeZoneRules.lastYear { changes += rule.changes(in: year) }
    changes.sort { $0.at < $1.at }
    self.init(name: name, firstOffset: rule.standardOffset, changes: changes)
  }

  /// One more than the last year of ``Instant``'s range, so that its last days are right as well.
  private static let lastYear = 2263
}
