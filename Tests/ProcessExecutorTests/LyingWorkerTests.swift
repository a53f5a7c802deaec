import Chronology
import Foundation
import JobModel
import Lua
import ProcessExecutor
import ScriptFixtures
import TestSupport
import Testing

/// Workers that are no workers: a program that says what none says.
@Suite("Workers that lie", .serialized)
struct LyingWorkerTests {
  private static let program = """
    #include <stdint.h>
    #include <string.h>
    #include <unistd.h>
    static void put(const void *p, size_t n) { if (write(3, p, n) != (ssize_t)n) _exit(0); }
    static void get(void *p, size_t n) {
      for (size_t got = 0; got < n;) { ssize_t k = read(3, (char *)p + got, n - got); if (k <= 0) _exit(0); got += k; }
    }
    static unsigned char frame[256];
    static uint32_t size;
    static void byte(unsigned char b) { frame[size++] = b; }
    static void number(uint64_t n, int bytes) { for (int i = 0; i < bytes; i++) byte(n >> (8 * i)); }
    static void text(const char *t) { number(strlen(t), 4); while (*t) byte(*t++); }
    static void send_frame(void) { put(&size, 4); put(frame, size); size = 0; }
    static void began(uint64_t run) { byte(3); number(run, 8); send_frame(); }
    static void ended(uint64_t run) {
      byte(4); number(run, 8); text("succeeded"); number(5, 8); number(6, 8); byte(0); byte(1); send_frame();
    }
    static unsigned char body[1 << 24];
    int main(int count, char **words) {
      const char *mode = count > 2 ? words[2] : "";
      byte(0); number(1, 4); text(LUA); send_frame();
      for (;;) {
        uint32_t length;
        get(&length, 4);
        if (length > sizeof body) _exit(9);
        get(body, length);
        uint64_t run;
        if (body[0] != 3) continue;
        memcpy(&run, body + 1, 8);
        if (strcmp(mode, "unbegun") == 0) { ended(run); continue; }
        began(strcmp(mode, "other") == 0 ? run + 7 : run);
        if (strcmp(mode, "honest") == 0) ended(run);
        if (strcmp(mode, "twice") == 0) { ended(run); ended(run); }
        if (strcmp(mode, "huge") == 0) put("\\\\377\\\\377\\\\377\\\\377", 4);
        if (strcmp(mode, "half") == 0) { put("\\\\20\\\\0\\\\0\\\\0half", 8); _exit(0); }
        if (strcmp(mode, "again") == 0) began(run);
        if (strcmp(mode, "json") == 0) {
          byte(7); number(1, 8); number(run, 8); byte(9); text("e"); byte(1); text("{"); send_frame();
        }
      }
    }
    """

  private static let built: Result<(TemporaryDirectory, String), any Error> = Result {
    let place = try TemporaryDirectory()
    try place.write("liar.c", program.replacingOccurrences(of: "\\\\", with: "\\"))
    let compiler = Process()
    compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    compiler.arguments = [
      "clang", "-O1", "-DLUA=\"\(LuaRuntime.luaVersion)\"", "-o", place.path + "/liar", place.path + "/liar.c",
    ]
    try compiler.run()
    compiler.waitUntilExit()
    return (place, place.path + "/liar")
  }

  private static let lies: [(mode: String, words: String)] = [
    ("unbegun", "ended a run that it had not begun"), ("other", "spoke of a run that it has not"),
    ("huge", "a frame of 4294967295 bytes"), ("half", "ended by itself"), ("again", "began a run twice"),
    ("json", "asked for what nobody can ask for"),
  ]

  private func run(_ mode: String, fields: String = "") throws -> RunReport {
    let fixture = try PoolFixture(processes: nil)
    var configuration = ProcessConfiguration()
    configuration.name = mode
    configuration.workers = 1
    configuration.program = try Self.built.get().1
    let executor = ProcessExecutor(configuration, luaHost: fixture.host)
    let reports = ReportCollector()
    executor.start(reportingTo: reports)
    defer { executor.stop() }
    let job = try fixture.job("return 1", fields: fields)
    var last: RunReport?
    // The second run has the worker of the first one, or one that took its place.
    for number in 1...2 {
      let token = RunToken(slot: number, use: 1)
      executor.submit([
        RunOrder(token: token, id: RunID(Int64(number)), job: job, attempt: 1, scheduledAt: .epoch)
      ])
      last = reports.ending(of: token)
    }
    #expect(reports.all.count { $0.kind == .ended } == 2, "each run ends once")
    return try #require(last)
  }

  @Test("cost the run that they have", arguments: lies)
  func lying(_ mode: String, _ words: String) throws {
    let report = try run(mode)
    #expect(report.outcome == .crashed)
    #expect(report.error?.message.contains(words) == true, "\(String(describing: report.error))")
  }

  @Test("an answer counts once: what comes after it costs the worker, and no run")
  func twice() throws {
    #expect(try run("twice").outcome == .succeeded)
    #expect(try run("honest").outcome == .succeeded)
  }

  @Test("one that never answers is killed at the run's deadline")
  func never() throws {
    let report = try run("never", fields: "timeout = '200ms',")
    #expect(report.outcome == .timedOut)
  }
}
