import Foundation
import Glibc
import ScriptLoading
import Testing

/// Each field of a job does in the binary what it says: in the job's table, in `job_defaults` of its script, and in
/// `job_defaults` of moondial.lua, wherever it may stand. The list of fields is the decoder's own.
@Suite("Every field of a job, through the binary", .serialized)
struct JobFieldTests {
  private static let rows = JobFieldRow.triggers + JobFieldRow.runs + JobFieldRow.policies

  @Test("none is missing")
  func complete() {
    let tested = Set(Self.rows.map(\.field) + ["name"])
    #expect(Set(JobField.allCases.map(\.rawValue)) == tested, "give each a JobFieldRow, with what is seen of it")
  }

  @Test("name: the job is called by it, before the table and in it")
  func names() throws {
    let place = try Place()
    try place.save(
      "a.lua", "job { name = 'one', run = print }\njob 'two' { run = print }\njob('three', { run = print })")
    let list = try place.run("list", "scripts").output
    for name in ["one", "two", "three"] { #expect(list.contains { $0.hasPrefix(name + " ") }) }
  }

  @Test("in the job", arguments: rows)
  func jobs(_ row: JobFieldRow) throws {
    try see(row, "\(row.before)job \"tried\" { \(row.text), \(row.rest) }\n\(row.after)", host: "")
  }

  @Test("as a script's default", arguments: rows.filter { JobField.names(in: .scriptDefaults).contains($0.field) })
  func scripts(_ row: JobFieldRow) throws {
    // What stands around the job is another script, which the defaults leave alone.
    try see(
      row, "job_defaults { \(row.text) }\njob \"tried\" { \(row.rest) }\n", others: row.before + row.after, host: "")
  }

  /// Fields that the jobs around it, which have the same default then, do not say themselves would be theirs too.
  @Test("as the host's default", arguments: rows.filter { JobField.names(in: .hostDefaults).contains($0.field) })
  func hosts(_ row: JobFieldRow) throws {
    try see(
      row, "\(row.before)job \"tried\" { \(row.rest) }\n\(row.after)", host: "job_defaults = { \(row.text) }, ")
  }

  private func see(_ row: JobFieldRow, _ script: String, others: String = "", host defaults: String) throws {
    let place = try Place()
    try "return { \(defaults)\(row.settings) }\n".write(
      toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try FileManager.default.createDirectory(atPath: place.path + "/in", withIntermediateDirectories: true)
    try "x".write(toFile: place.path + "/in/a.csv", atomically: false, encoding: .utf8)
    try place.save("b.lua", script.replacing("NAME", with: "'tried'"))
    if !others.isEmpty { try place.save("a.lua", others.replacing("NAME", with: "'tried'")) }
    let process = try HostProcess(["run", "scripts", "-v", "--grace", "0s"], in: place.path)
    defer { process.signal(SIGKILL) }
    try process.awaitLine(containing: "workers, zone")
    try row.seen(place, process, "tried")
    process.signal(SIGTERM)
    _ = try process.awaitExit()
  }
}

extension JobFieldRow: CustomTestStringConvertible {
  var testDescription: String { field }
}
