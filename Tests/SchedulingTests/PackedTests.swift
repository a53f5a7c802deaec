import Chronology
import JobModel
import Testing

@Suite("An instant or none in one word")
struct PackedTests {
  struct Holder: Equatable {
    @Packed var instant: Instant? = nil
  }

  @Test(
    "holds what it is given, none included",
    arguments: [nil, 0, 1, -1, .max, .min + 1] as [Int64?])
  func holds(nanoseconds: Int64?) {
    let instant = nanoseconds.map { Instant(nanoseconds: $0) }
    var holder = Holder()
    #expect(holder.instant == nil)
    holder.instant = instant
    #expect(holder.instant == instant)
    #expect((holder == Holder()) == (instant == nil))
    holder.instant = nil
    #expect(holder == Holder())
  }

  @Test("takes one word")
  func size() { #expect(MemoryLayout<Holder>.size == 8) }
}
