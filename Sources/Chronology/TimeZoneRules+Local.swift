extension TimeZoneRules {
  /// No offset, nor any change of one, is as large as this many seconds; changes further away cannot matter.
  package static let farthestOffset = 2 * 86_400

  /// What the local time `civil` means here.
  package func meaning(of civil: CivilDateTime) -> LocalTimeMeaning {
    let local = civil.localSeconds
    var index = stretchIndex(at: local - TimeZoneRules.farthestOffset)
    var first: Instant?
    var last: Instant?
    var resumes: Int?
    while index < stretches.count {
      let stretch = stretches[index]
      if stretch.start > local + TimeZoneRules.farthestOffset { break }
      if local >= stretch.localStart, local < stretch.localEnd {
        let instant = Instant(seconds: local - stretch.offset, nanosecond: civil.nanosecond)
        if first == nil { first = instant }
        last = instant
      } else if resumes == nil, local < stretch.localStart, index > 0, local >= stretches[index - 1].localEnd {
        resumes = stretch.start
      }
      index += 1
    }
    if let first, let last { return first == last ? .once(first) : .repeated(first: first, last: last) }
    return .skipped(resumes: Instant(seconds: Int64(resumes ?? local)))
  }

  /// The instant at which clocks show `civil`: the first of two, or the end of the gap that swallows it.
  package func instant(of civil: CivilDateTime) -> Instant {
    switch meaning(of: civil) {
    case .once(let instant): instant
    case .repeated(let first, _): first
    case .skipped(let resumes): resumes
    }
  }

  /// The changes of offset in a window, for explanations and tests: when, from what, to what.
  package func changes(from start: Instant, to end: Instant) -> [(at: Instant, before: Int, after: Int)] {
    stretches.indices.dropFirst().compactMap { index in
      let at = Instant(seconds: Int64(stretches[index].start))
      guard at >= start, at <= end else { return nil }
      return (at, stretches[index - 1].offset, stretches[index].offset)
    }
  }
}
