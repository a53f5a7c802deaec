import Testing
import TestSupport

@testable import FileWatching

/// A script that is saved without end must be delivered now and then, and never as a mix of two versions.
@Suite("Streams of saves", .serialized)
struct WatchStreamTests {
  enum Style: CaseIterable, Sendable { case inPlace, renameOver, likeVim, mixed }

  /// Version `number`, with its number at three places, so long that a write may be seen half done.
  private static func pieces(_ number: Int) -> [String] {
    let filling = String(repeating: "-- \(number)\n", count: 800)
    return ["local first = \(number)\n" + filling, "local second = \(number)\n" + filling, "return \(number)\n"]
  }

  @Test("200 saves are delivered whole, the last one at the end", arguments: Style.allCases)
  func stream(style: Style) {
    let disk = EditedDirectory()
    disk.write("a.lua", Self.pieces(0))
    let watched = WatchedDisk(disk, timing: WatchedDisk.patientTiming)
    _ = watched.watcher.start()
    for number in 1...200 {
      let pieces = Self.pieces(number)
      switch style == .mixed ? Style.allCases[number % 3] : style {
      case .inPlace: disk.write("a.lua", pieces)
      case .renameOver: disk.replace("a.lua", pieces.joined())
      case .likeVim: disk.saveLikeVim("a.lua", pieces.joined())
      case .mixed: break
      }
      // Another one in between, so that a scan has more to do than the stream's file.
      if number % 10 == 0 { disk.write("b.lua", "\(number)") }
    }
    watched.wait(for: ["a.lua": Self.pieces(200).joined(), "b.lua": "200"])
    check(watched.deliveries, isAtomic: style == .renameOver)
  }

  @Test("a stream that never pauses is delivered while it runs")
  func endless() {
    let disk = EditedDirectory()
    disk.write("a.lua", Self.pieces(0))
    let watched = WatchedDisk(disk)
    _ = watched.watcher.start()
    // Until three versions have come through: were the stream able to starve the watcher, this would be endless.
    var number = 0
    while watched.deliveries.count < 3, number < 200_000 {
      number += 1
      disk.replace("a.lua", Self.pieces(number).joined())
    }
    #expect(watched.deliveries.count >= 3)
    check(watched.deliveries, isAtomic: true)
    watched.wait(for: ["a.lua": Self.pieces(number).joined()])
  }

  /// Every delivered version is one that was written; a save in place may be delivered as its beginning, when the
  /// writer was held up in the middle, but not with the end of another.
  private func check(_ deliveries: [DirectoryChange], isAtomic: Bool) {
    var last = -1
    for delivery in deliveries {
      guard let text = delivery.snapshot.contents["a.lua"] else {
        Issue.record("the file was never gone for long")
        continue
      }
      // Held up so early that not even the first line is there: nothing that could be mixed.
      guard text.contains("\n") else { continue }
      let number = Int(text.prefix { $0 != "\n" }.dropFirst("local first = ".count)) ?? -1
      let version = Self.pieces(number).joined()
      #expect(isAtomic ? text == version : version.hasPrefix(text), "a mix: \(text.prefix(20))…\(text.suffix(20))")
      #expect(number >= last)
      last = number
    }
  }
}
