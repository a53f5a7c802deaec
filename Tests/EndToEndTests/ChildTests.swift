import CLinux
import Foundation
import Glibc
import Testing

/// The programs that scripts start, seen from outside: they end with the host, and the host waits for whom it inherits.
@Suite("Children of scripts, end to end", .serialized, .timeLimit(.minutes(5)))
struct ChildTests {
  /// Waits until the process has ended, without regard to who waits for it.
  private func awaitEnd(of process: Int32) -> Bool {
    let descriptor = linux_open_process(process)
    guard descriptor >= 0 else { return errno == ESRCH }
    defer { close(descriptor) }
    var asked = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    // Safe: the call reads and writes that one struct.
    return unsafe poll(&asked, 1, Int32(HostProcess.patience * 1000)) == 1
  }

  /// The numbers that a script's program has said in a line that begins with `word`.
  private func numbers(_ host: HostProcess, after word: String) throws -> [Int32] {
    let line = try host.awaitLine { $0.contains(word + " ") }
    return line[line.range(of: word + " ")!.upperBound...].split(separator: " ").compactMap { Int32($0) }
  }

  /// A script whose run starts a shell that says its number and that of a child, and waits for ever.
  private static let waiting = """
    job "waits" { run_at_start = true, every = "1h", run = function()
      all({ "waits", "tells" }, function(part)
        if part == "waits" then return exec({ "sh", "-c", "sleep 1000 & echo pids $$ $! > pids; wait" }) end
        local pids
        repeat sleep("10ms") pids = fs.read("pids") until pids and pids:find("\\n")
        print((pids:gsub("\\n", "")))
      end)
    end }
    """

  @Test("a host that is killed takes its children with it, and their children")
  func killed() throws {
    let place = try Place()
    try place.save("waits.lua", Self.waiting)
    let host = try place.host("--allow-all")
    let pids = try numbers(host, after: "pids")
    #expect(pids.count == 2)
    for pid in pids { #expect(kill(pid, 0) == 0) }
    host.signal(SIGKILL)
    for pid in pids { #expect(awaitEnd(of: pid), "process \(pid) outlives the host") }
  }

  @Test("also one that its very first child kills, as soon as that has started another one")
  func killedAtOnce() throws {
    let place = try Place()
    try place.save(
      "kills.lua",
      """
      job "kills" { run_at_start = true, run = function()
        exec({ "sh", "-c", "sleep 1000 & echo $$ $! > pids; kill -9 $PPID; wait" })
      end }
      """)
    let host = try place.host("--allow-all")
    try host.awaitExit()
    let pids = place.text("pids").split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
    #expect(pids.count == 2)
    for pid in pids { #expect(awaitEnd(of: pid), "process \(pid) outlives the host") }
  }

  @Test("so does one that ends as asked")
  func stopped() throws {
    let place = try Place()
    try place.save("waits.lua", Self.waiting)
    let host = try place.host("--allow-all", "--grace", "0s")
    let pids = try numbers(host, after: "pids")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    for pid in pids { #expect(awaitEnd(of: pid)) }
  }

  @Test(
    "the first process of a PID namespace waits for orphans, and scripts keep their exit codes",
    .enabled(if: geteuid() == 0, "a PID namespace needs root"))
  func first() throws {
    let place = try Place()
    try place.save(
      "orphans.lua",
      """
      job "orphans" { run_at_start = true, every = "1h", run = function()
        local codes = {}
        -- Each leaves one behind that ends at once, with nobody to wait for it but the first process.
        for i = 1, 20 do codes[i] = exec({ "sh", "-c", "(true &) ; exit " .. i }).code end
        print("codes " .. table.concat(codes, " "))
        local zombies
        repeat
          zombies = exec({ "sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status | wc -l" }).stdout:match("%d+")
        until zombies == "0"
        print("zombies " .. zombies)
      end }
      """)
    let host = try HostProcess(
      program: ["/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child", HostProcess.binary],
      ["run", "scripts", "--allow-all"], in: place.path)
    defer { host.signal(SIGKILL) }
    #expect(try numbers(host, after: "codes") == Array(1...20))
    try host.awaitLine(containing: "zombies 0")
  }
}
