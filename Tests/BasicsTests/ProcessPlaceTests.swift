import Testing

@testable import Basics

@Suite("Whether another process lives")
struct ProcessPlaceTests {
  private let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"

  @Test("only a process that the kernel does not know, or whose number another one has, is dead")
  func alive() {
    #expect(ProcessPlace.isAlive(since: 4_711, stat: stat, isThere: true) == true)
    #expect(ProcessPlace.isAlive(since: 4_712, stat: stat, isThere: true) == false)
    #expect(ProcessPlace.isAlive(since: 4_711, stat: stat.replacing(" S ", with: " Z "), isThere: true) == false)
    #expect(ProcessPlace.isAlive(since: 4_711, stat: nil, isThere: true) == nil, "processes of others may be hidden")
    #expect(ProcessPlace.isAlive(since: 4_711, stat: nil, isThere: false) == false)
  }

  @Test("this process lives, and of one elsewhere nobody knows")
  func places() {
    var place = ProcessPlace.current
    #expect(place.isAlive == true && place.started > 0)
    place.started += 1
    #expect(place.isAlive == false)
    place.space = "elsewhere"
    #expect(place.isAlive == nil)
  }
}
