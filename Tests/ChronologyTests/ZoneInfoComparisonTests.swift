import Foundation
import Testing

@testable import Chronology

@Suite("Offsets agree with Python's zoneinfo")
struct ZoneInfoComparisonTests {
  /// For each zone: a line of name, then pairs of second and offset, around every change in the file and at odd times
  /// up to the year 2200.
  private static let script = """
    import sys, zoneinfo, struct
    from datetime import datetime, timedelta, timezone
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    root = sys.argv[1]
    zoneinfo.reset_tzpath([root])
    for name in sys.stdin.read().split():
        zone = zoneinfo.ZoneInfo(name)
        with open(root + '/' + name, 'rb') as file: data = file.read()
        counts = struct.unpack('>6I', data[20:44])
        position = 44 + counts[3] * 5 + counts[4] * 6 + counts[5] + counts[2] * 8 + counts[1] + counts[0]
        times = []
        if data[4:5] >= b'2':
            counts = struct.unpack('>6I', data[position + 20:position + 44])
            times = struct.unpack('>%dq' % counts[3], data[position + 44:position + 44 + 8 * counts[3]])
        seconds = set()
        for time in times:
            for around in (-1, 0, 1, 3599): seconds.add(time + around)
        for index in range(int(sys.argv[2])): seconds.add(-2208988800 + index * 9467028000 // int(sys.argv[2]))
        line = [name]
        for second in sorted(seconds):
            if -5000000000 < second < 7258118400:
                offset = (epoch + timedelta(seconds=second)).astimezone(zone).utcoffset()
                line.append('%d %d' % (second, offset.total_seconds()))
        print(','.join(line))
    """

  @Test("in every zone, around every change, and from 1900 to 2200")
  func everyZone() throws {
    let root = "/usr/share/zoneinfo"
    let database = TimeZoneDatabase(directory: root)
    let names = database.names
    let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"
    guard
      let output = try runPython(Self.script, [root, isLong ? "5000" : "150"], input: names.joined(separator: "\n"))
    else {
      print("skipped: python3 with zoneinfo is not on this machine; install python3 to compare time zones with it")
      return
    }
    var compared = 0
    var zonesSeen = 0
    for line in Array(output).split(separator: UInt8(ascii: "\n")) {
      let parts = line.split(separator: UInt8(ascii: ","))
      let zone = try database.zone(named: String(decoding: parts[0], as: UTF8.self))
      zonesSeen += 1
      for part in parts.dropFirst() {
        let (second, offset) = numbers(part)
        let ours = zone.stretch(at: second).offset
        if ours != offset {
          Issue.record("\(zone.name) at \(second): \(ours), but Python says \(offset)")
          break
        }
        compared += 1
      }
    }
    #expect(zonesSeen == names.count)
    #expect(compared > 100_000)
    print("compared \(compared) offsets in \(zonesSeen) zones with Python's zoneinfo")
  }

  private func numbers(_ text: ArraySlice<UInt8>) -> (Int, Int) {
    var values = [0, 0]
    var index = 0
    var negative = false
    for byte in text {
      switch byte {
      case UInt8(ascii: " "):
        if negative { values[0] = -values[0] }
        (index, negative) = (1, false)
      case UInt8(ascii: "-"): negative = true
      default: values[index] = values[index] * 10 + Int(byte) - 48
      }
    }
    if negative { values[index] = -values[index] }
    return (values[0], values[1])
  }

  /// What a Python script prints, or `nil` when there is no Python that can run it.
  private func runPython(_ script: String, _ arguments: [String], input: String) throws -> Data? {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script] + arguments
    let (standardInput, standardOutput) = (Pipe(), Pipe())
    process.standardInput = standardInput
    process.standardOutput = standardOutput
    process.standardError = Pipe()
    try process.run()
    standardInput.fileHandleForWriting.write(Data(input.utf8))
    try standardInput.fileHandleForWriting.close()
    let output = standardOutput.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? output : nil
  }
}
