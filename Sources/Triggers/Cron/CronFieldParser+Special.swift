import Basics

/// What a cron field may hold beside values, ranges and steps: positions in the month, and values derived from a name.
extension CronFieldParser {
  /// `L`, `L-3`, `LW`, `15W`, `last` in a day field; `5L`, `friL`, `mon#1` in a weekday field.
  mutating func insertSpecial(_ base: Range<Int>) throws(TriggerError) -> Bool {
    let word = lowercased(base)
    switch field {
    case .day:
      if word == "l" || word == "last" {
        value.days.fromEnd |= 1
      } else if word == "lw" || word == "wl" {
        value.days.lastWorkday = true
      } else if word.hasPrefix("l-") {
        guard let distance = number(base.lowerBound + 2..<base.upperBound), distance <= 30 else {
          throw error("\"\(string(base))\" in the day field", base, suggestion: "write L-1 to L-30")
        }
        value.days.fromEnd |= 1 << UInt64(distance)
      } else if word.hasSuffix("w"), word.utf8.count > 1 {
        let day = try parseValue(base.lowerBound..<base.upperBound - 1)
        value.days.nearestWorkday |= 1 << UInt64(day)
      } else {
        return false
      }
      return true
    case .weekday:
      if let hash = text[base].firstIndex(of: UInt8(ascii: "#")) {
        let weekday = try parseValue(base.lowerBound..<hash) % 7
        guard let nth = number(hash + 1..<base.upperBound), (1...5).contains(nth) else {
          throw error(
            "\"\(string(base))\" in the day of week field", base,
            suggestion: "write \(string(base.lowerBound..<hash))#1 to #5")
        }
        value.days.nthWeekdays |= 1 << UInt64(7 * (nth - 1) + weekday)
        return true
      }
      guard word.hasSuffix("l") else { return false }
      guard word.utf8.count > 1 else {
        throw error(
          "\"L\" alone means nothing in the day of week field", base,
          suggestion: "write friL for the last Friday, or L in the day field")
      }
      let weekday = try parseValue(base.lowerBound..<base.upperBound - 1) % 7
      value.days.lastWeekdays |= 1 << UInt64(weekday)
      return true
    default:
      return false
    }
  }

  /// `H`, `H/n`, `H(a-b)`, `H(a-b)/n`: a value, or a start for the steps, derived from the job's name.
  mutating func insertHash(_ base: Range<Int>, step: Int?, item: Range<Int>) throws(TriggerError) {
    guard var range = field.hashRange else {
      throw error("\"H\" has no meaning in the \(field.title) field", item)
    }
    if base.count > 1 {
      guard text[base.upperBound - 1] == UInt8(ascii: ")"),
        let dash = text[base].firstIndex(of: UInt8(ascii: "-"))
      else {
        throw error("\"\(string(base))\" in the \(field.title) field", base, suggestion: "write H or H(0-29)")
      }
      let first = try parseValue(base.lowerBound + 2..<dash)
      let last = try parseValue(dash + 1..<base.upperBound - 1)
      guard first <= last else {
        throw error("range \(first)-\(last) in the \(field.title) field is upside down", base)
      }
      range = first...last
    }
    guard let nameHash else {
      throw error(
        "\"H\" needs a name to spread by", item,
        suggestion: "use it in a job, or give { name = \"…\" } with the expression")
    }
    value.usesHash = true
    let hash = StableHash.mix(nameHash ^ StableHash.of(field.rawValue))
    guard let step else {
      return insert(range.lowerBound + Int(StableHash.scale(hash, below: UInt64(range.count))))
    }
    guard step <= range.count else {
      throw error("step \(step) is larger than the range \(range.lowerBound)-\(range.upperBound)", item)
    }
    insert(range.lowerBound + Int(StableHash.scale(hash, below: UInt64(step)))...range.upperBound, step: step)
  }
}
