import Chronology
import Foundation
import Testing
import Triggers

@testable import Importing

/// That the scripts load is tested where scripts are loaded; here only that nothing ends the program, many times.
@Suite("Importing anything")
struct ImportFuzzTests {
  @Test("any text is answered", arguments: [11, UInt64.random(in: 0...UInt64.max)])
  func anything(seed: UInt64) {
    var state = seed
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    let pieces = [
      "*", " ", "\n", "\r\n", "\r", "\t", "0 3 * * * ", "@reboot ", "@", "root ", "=", "\"", "'", "\\", "%", "-", "+",
      "!", ":", "#",
      ";", "|", "$", "${", "}", "$A", "/", ".sh", "nice ", "cd ", "run-parts ", "A=b", "CRON_TZ=", "RANDOM_DELAY=", "9",
      "[Timer]\n", "[Service]\n", "[", "]", "OnCalendar=", "OnUnitActiveSec=", "OnBootSec=", "RandomizedDelaySec=",
      "Unit=",
      "ExecStart=", "ExecStartPre=", "Environment=", "WorkingDirectory=", "User=", "TimeoutStartSec=", "Type=oneshot\n",
      "1h", "min", "daily\n", "/bin/x", "%i", "@.service", "é", "\u{301}", "\u{FEFF}", "\u{0}",
    ]
    let context = TriggerContext(zones: TimeZoneDatabase())
    let origin = ImportOrigin(source: "a", script: "b")
    let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"
    for _ in 0..<(isLong ? 40_000 : 400) {
      let text = (0..<random(40)).map { _ in pieces[random(pieces.count)] }.joined()
      let crontab = Crontab(text, isSystemWide: random(2) == 0).script(from: origin, context: context)
      _ = Crontab.looksSystemWide(text, isAccount: { _ in true }, isProgram: { _ in false })
      let timer = TimerUnit(name: "a@\(text.prefix(5)).timer", timer: "[Timer]\nOnCalendar=daily\n" + text) { _ in
        "[Service]\nExecStart=" + text
      }
      let made = TimerUnit.script(of: [timer, timer], from: origin, context: context)
      #expect(crontab.lua.hasSuffix("\n") && made.lua.hasSuffix("\n"), "seed \(seed)")
    }
  }
}
