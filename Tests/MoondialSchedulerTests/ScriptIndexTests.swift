import Chronology
import FileWatching
import HostModules
import ScriptLoading
import ScriptRuntime
import Testing
@testable import Hosting

@Suite("The index of last good versions")
struct ScriptIndexTests {
  private var index: ScriptIndex {
    var index = ScriptIndex(root: "/srv/scripts")
    func part(_ name: String) -> ScriptIndex.Part {
      ScriptIndex.Part(path: ScriptPath(name), content: ContentHash(of: Array(name.utf8)))
    }
    index.libraries = [[], [part("lib/a.lua"), part("lib/b\n.lua")]]
    for (number, name) in ["a.lua", "d/ü.lua"].enumerated() {
      index.scripts[ScriptPath(name)] = ScriptIndex.Entry(
        content: ContentHash(of: []), savedAt: Instant(nanoseconds: -1 + Int64(number)), library: number,
        calendars: [part("days.ics")], jobs: ["one", ""])
    }
    return index
  }

  @Test("it reads what it wrote")
  func roundTrip() { #expect(ScriptIndex(bytes: index.bytes) == index) }

  @Test("one that is cut off, longer or changed anywhere counts as none")
  func damaged() {
    let bytes = index.bytes
    for length in 0..<bytes.count { #expect(ScriptIndex(bytes: Array(bytes[..<length])) == nil) }
    for place in bytes.indices {
      var changed = bytes
      changed[place] ^= 0x81
      #expect(ScriptIndex(bytes: changed) == nil)
    }
    #expect(ScriptIndex(bytes: bytes + [0]) == nil)
  }

  @Test("numbers that cannot be meant are refused, whatever the checksum says")
  func absurd() {
    let body = Array(index.bytes.dropLast(32))
    for place in 19..<(body.count - 8) {
      for number in [Int64.max, .min, -1, 1 << 40] {
        var changed = body
        for byte in 0..<8 { changed[place + byte] = UInt8(truncatingIfNeeded: number >> Int64(byte * 8)) }
        _ = ScriptIndex(bytes: changed + SHA256.hash(changed))
      }
    }
  }
}
