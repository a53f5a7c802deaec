import Foundation
import Testing

/// What `moondial import` writes runs with the grant that its head names, and with nothing more.
@Suite("Imported scripts run with the grant of their heads", .timeLimit(.minutes(5)))
struct ImportedScriptTests {
  /// The line below `Its programs … need a grant`, as `moondial.lua`.
  private func grant(_ place: Place, of script: String) throws {
    let line = try #require(
      place.text("scripts/" + script).components(separatedBy: "\n").first { $0.contains("grants = {") })
    let text = "return { \(line.drop { $0 == "-" }) }\n"
    try Data(text.utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
  }

  @Test("a crontab with variables, input and a percent sign")
  func crontab() throws {
    let place = try Place()
    let crontab = "SHELL=/bin/sh\nGREETING=hello from cron\n30 8 * * * echo \"$GREETING 100\\%\"; cat%one%two\n"
    let imported = try place.run("import", "crontab", "-", "-o", "scripts/cron.lua", input: crontab)
    #expect(imported.status == 0, "\(imported)")
    try grant(place, of: "cron.lua")
    #expect(try place.run("check").output == ["1 job in 1 script, no mistakes"])
    let job = try #require(place.text("scripts/cron.lua").firstMatch(of: #/job "([^"]+)"/#))
    let run = try place.run("exec", String(job.output.1))
    #expect(run.status == 0, "\(run)")
    for line in ["hello from cron 100%", "one", "two"] {
      #expect(run.errors.contains { $0.hasSuffix(": " + line) }, "\(line) is not in \(run.errors)")
    }
  }

  @Test("a timer whose service has an environment")
  func timer() throws {
    let place = try Place()
    func write(_ name: String, _ text: String) throws {
      try Data(text.utf8).write(to: URL(filePath: place.path + "/" + name))
    }
    try write("greet.timer", "[Timer]\nOnCalendar=daily\n")
    try write(
      "greet.service", "[Service]\nType=oneshot\nEnvironment=WHO=moon PATH=/usr/bin:/bin\nExecStart=/usr/bin/env\n")
    let imported = try place.run("import", "systemd", "greet.timer", "-o", "scripts/greet.lua")
    #expect(imported.status == 0, "\(imported)")
    try grant(place, of: "greet.lua")
    let run = try place.run("exec", "greet")
    #expect(run.status == 0 && run.errors.contains { $0.hasSuffix(": WHO=moon") }, "\(run)")
  }
}
