import JobModel
import Testing

@Suite("An index of names")
struct NameIndexTests {
  @Test(
    "finds the place of each of 10,000 names and of no other, while it grows and with room made before",
    arguments: [0, 7, 10_000])
  func finds(reserved: Int) {
    var index = NameIndex()
    index.reserveCapacity(reserved)
    var names: [String] = []
    for number in 0..<10_000 {
      let name = "job-\(number)"
      #expect(index.index(of: name) { names[$0] == name } == nil)
      index.insert(name, at: names.count)
      names.append(name)
    }
    #expect(index.count == 10_000)
    for (place, name) in names.enumerated() { #expect(index.index(of: name) { names[$0] == name } == place) }
    #expect(index.index(of: "job-10000") { names[$0] == "job-10000" } == nil)
  }

  @Test("asks its owner about names with one hash, so that equal hashes are not equal names")
  func collisions() {
    var index = NameIndex()
    // The owner says of the first place that it is another name's, as it would after a collision.
    index.insert("a", at: 0)
    index.insert("a", at: 1)
    #expect(index.index(of: "a") { $0 == 1 } == 1)
    #expect(index.index(of: "a") { _ in false } == nil)
  }

  @Test("names that are taken out are not found, and all others still are", arguments: [1, 2, 3] as [UInt64])
  func removes(seed: UInt64) {
    var index = NameIndex()
    var names: [Int: String] = [:]
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for step in 0..<20_000 {
      let place = random(600)
      let name = "job-\(place)"
      if names[place] == nil {
        index.insert(name, at: place)
        names[place] = name
      } else {
        index.remove(name) { names[$0] == name }
        names[place] = nil
      }
      if step % 1_000 == 0 {
        for place in 0..<600 {
          let name = "job-\(place)"
          #expect(index.index(of: name) { names[$0] == name } == (names[place] == nil ? nil : place))
        }
      }
    }
    #expect(index.count == names.count)
  }

  @Test("an empty one finds nothing")
  func empty() {
    #expect(NameIndex().index(of: "a") { _ in true } == nil)
  }
}
