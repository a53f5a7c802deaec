import Foundation
import Glibc
import Testing

/// Directories and files that cannot be used: each command says which, and why, in a sentence.
@Suite("Places that cannot be used, end to end", .timeLimit(.minutes(2)))
struct UnusablePlaceTests {
  /// Root may enter every directory, unless it gives that right up.
  private static let prefix =
    geteuid() == 0 ? ["/usr/bin/setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : []
  private static let canTry = prefix.isEmpty || FileManager.default.isExecutableFile(atPath: prefix[0])

  private func place() throws -> Place {
    let place = try Place()
    try place.save("a.lua", #"job "a" { every = "1h", run = function() end }"#)
    return place
  }

  private func setMode(_ mode: Int, of path: String) {
    try? FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }

  private func said(_ arguments: [String], _ place: Place) throws -> (status: Int32, text: String) {
    let ended = try HostProcess.run(arguments, in: place.path, prefix: Self.prefix)
    return (ended.status, ended.errors.joined(separator: "\n"))
  }

  @Test("a state directory that may not be entered is not an absent one", .enabled(if: canTry, "needs setpriv"))
  func closedState() throws {
    let place = try place()
    let state = place.path + "/.moondial"
    try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
    setMode(0, of: state)
    defer { setMode(0o700, of: state) }
    for command in [["status"], ["trigger", "a"], ["upcoming"]] {
      let ended = try said(command, place)
      #expect(ended.status == 1 && ended.text.contains("cannot be asked by user"), "\(command): \(ended)")
    }
    for command in [["history"], ["list"], ["explain", "a"], ["doctor"], ["exec", "a"]] {
      let ended = try said(command, place)
      #expect(ended.status == 1 && ended.text.contains("may not enter its directory"), "\(command): \(ended)")
    }
  }

  @Test("scripts that may not be read are named", .enabled(if: canTry, "needs setpriv"))
  func closedScripts() throws {
    let place = try place()
    setMode(0, of: place.path + "/scripts/a.lua")
    let file = try HostProcess.run(["check"], in: place.path, prefix: Self.prefix)
    #expect(file.status == 1 && (file.output + file.errors).contains { $0.hasPrefix("a.lua: Permission denied") })
    setMode(0, of: place.path + "/scripts")
    defer { setMode(0o700, of: place.path + "/scripts") }
    let directory = try HostProcess.run(["check"], in: place.path, prefix: Self.prefix)
    #expect(
      directory.status == 1
        && (directory.output + directory.errors).contains { $0.hasPrefix("the scripts directory: Permission denied") })
  }

  @Test("a name that is empty, a directory or a file where it should not be says what to name")
  func names() throws {
    let place = try place()
    try "x".write(toFile: place.path + "/taken", atomically: false, encoding: .utf8)
    try "return { timezon = 1 }".write(toFile: place.path + "/other.lua", atomically: false, encoding: .utf8)
    for (arguments, status, sentence) in [
      (["check", ""], 2, "the name of the scripts directory is empty: give one, such as scripts"),
      (["check", "taken"], 2, "taken is a file: name the directory that it lies in"),
      (["check", "--config", "scripts"], 2, "scripts is a directory: name the configuration file in it"),
      (["check", "--config", "none.lua"], 2, "there is no configuration file none.lua"),
      (["check", "--config", "other.lua"], 1, "other.lua: unknown setting \"timezon\"; did you mean \"timezone\"?"),
      (["run", "--state", "taken"], 1, "the state directory taken is a file: name another one (--state DIR)"),
    ] as [([String], Int32, String)] {
      let ended = try HostProcess.run(arguments, in: place.path)
      #expect(ended.status == status && ended.errors.count == 1, "\(arguments): \(ended)")
      #expect(ended.errors.first?.hasPrefix("moondial: " + sentence) == true, "\(arguments): \(ended)")
    }
  }

  @Test("a script that is saved with a mistake says that it stays as it was")
  func stays() throws {
    let place = try place()
    let host = try place.host()
    try host.awaitLine(containing: "1 job from 1 script")
    try place.save("a.lua", #"job "a" { every = "1h", run = function() end"#)
    try host.awaitLine(containing: "a.lua:1: ")
    try host.awaitLine(containing: "a.lua: it stays as it was until it can be loaded (1 job)")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
