/// What people write when they mean five fields and something else: a whole line of a crontab, or a year at the end.
enum CronLine {
  /// The mistake in six and more words, or `nil` when they may be fields as they stand.
  static func mistake(in words: [[UInt8]], at places: [Range<Int>]) -> TriggerError? {
    let layout: [CronField] = [.minute, .hour, .day, .month, .weekday]
    func isField(_ word: [UInt8], _ field: CronField) -> Bool {
      (try? CronFieldParser.parse(word, as: field, at: 0, nameHash: 0)) != nil
    }
    guard words.count > 5, zip(words, layout).allSatisfy({ isField($0, $1) }) else { return nil }
    let five = words.prefix(5).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    // A year where six fields have the weekday.
    if words.count == 6, isYear(words[5]) {
      let year = String(decoding: words[5], as: UTF8.self)
      return TriggerError(
        "of six fields the first is the second, and \(year) is no day of week", at: places[5],
        suggestion: "with a year there are seven: 0 \(five) \(year)")
    }
    // In fields for seconds and years the sixth word is the weekday.
    guard !isField(words[5], .weekday), let first = words[5].first,
      isLetter(first) || "/~.$\"'([".utf8.contains(first)
    else { return nil }
    return TriggerError(
      "after its five fields stands a command", at: places[5].lowerBound..<places[places.count - 1].upperBound,
      suggestion: "write \"\(five)\", and the command in run; `moondial import crontab` reads whole lines")
  }

  private static func isYear(_ word: [UInt8]) -> Bool {
    let items = String(decoding: word, as: UTF8.self).split { ",-/".contains($0) }
    guard let first = items.first, first.utf8.count == 4, let year = Int(first) else { return false }
    return YearSet.range.contains(year) && items.allSatisfy { Int($0) != nil }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte | 0x20) }
}
