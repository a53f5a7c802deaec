import Foundation
import Glibc
import ScriptLoading
import Testing

/// Each setting of moondial.lua does in the binary what it says. The list of settings is the decoder's own, so a new
/// one without a row fails here; fields of jobs (`job_defaults`) are seen in `JobFieldTests`.
@Suite("Every setting, through the binary", .serialized)
struct SettingTests {
  private static let rows =
    SettingRow.rows + SettingRow.processWorkers + SettingRow.grants + SettingRow.kept + SettingRow.quotas
    + SettingRow.http

  @Test("none is missing")
  func complete() {
    let keys = Set(ConfigurationKeys.all.filter { !$0.hasPrefix("job_defaults.") })
    let tested = Set(Self.rows.map(\.key))
    #expect(keys.subtracting(tested).isEmpty, "add a SettingRow for these, with what is seen of them")
    #expect(tested.subtracting(keys).isEmpty, "of no setting")
  }

  /// Some settings come from the file, some from a variable, some from a flag.
  @Test("each has its effect", arguments: rows)
  func effects(_ row: SettingRow) throws {
    let place = try Place()
    let way = row.flat == nil || row.isInFile ? 0 : (Self.rows.firstIndex { $0.key == row.key } ?? 0) % 3
    try (SettingRow.merging + row.configuration(with: way == 0)).write(
      toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    try FileManager.default.createDirectory(atPath: place.path + "/secret files", withIntermediateDirectories: true)
    try "of the file a\n".write(toFile: place.path + "/secret files/a", atomically: false, encoding: .utf8)
    try place.save("a.lua", row.script)
    for (name, text) in row.others { try place.save(name, text) }
    let variable = "MOONDIAL_" + row.path.joined(separator: "__").uppercased() + "=" + (row.flat ?? "")
    let flags = way == 2 ? ["--set", row.path.joined(separator: ".") + "=" + (row.flat ?? "")] : []
    let prefix = way == 1 ? ["/usr/bin/env", variable] : []
    if case .checked(let sentence) = row.effect {
      // The hosts of tests get that variable, which goes before the file.
      let without = ["/usr/bin/env", "-u", "MOONDIAL_HTTP__LISTEN"] + prefix
      let ended = try HostProcess.run(["check", "scripts"] + flags, in: place.path, prefix: without)
      #expect(ended.status == 1)
      #expect((ended.output + ended.errors).joined(separator: "\n").contains(sentence), "\(ended)")
      return
    }
    let host = try HostProcess(["run", "scripts"] + flags, in: place.path, prefix: prefix)
    defer { host.signal(SIGKILL) }
    switch row.effect {
    case .log(let text): try host.awaitLine(containing: text)
    case .logs(let texts): for text in texts { try host.awaitAnywhere(text) }
    case .refused(let text):
      #expect(try host.awaitExit() != 0)
      #expect(host.text.contains(text), "\(host.text)")
    case .seen(let check): try check(place, host)
    case .checked: break
    }
    host.signal(SIGTERM)
    _ = try host.awaitExit()
  }

  /// Counts what brings bytes to the disk, in front of the system's own.
  private static let counter = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <fcntl.h>
    #include <stdlib.h>
    #include <unistd.h>
    static void count(void) {
      int file = open(getenv("SYNCS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (write(file, "x", 1) < 0) abort();
      close(file);
    }
    int fsync(int file) { count(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file); }
    int fdatasync(int file) { count(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file); }
    """

  @Test("stores.*.synchronous: \"full\" syncs each commit, \"normal\" does not")
  func synced() throws {
    let place = try Place()
    try Self.counter.write(toFile: place.path + "/count.c", atomically: false, encoding: .utf8)
    let compiler = try HostProcess(
      program: ["/usr/bin/env"], ["clang", "-shared", "-fPIC", "-o", "count.so", "count.c", "-ldl"], in: place.path)
    try #require(try compiler.awaitExit() == 0, "\(compiler.text)")
    try place.save(
      "a.lua", "job 'it' { run_at_start = true, run = function() for i = 1, 50 do kv.set('k', i) end print('set') end }"
    )
    var syncs: [String: Int] = [:]
    for setting in ["full", "normal"] {
      let host = try HostProcess(
        ["run", "scripts", "--set", "stores.default.synchronous=\(setting)"], in: place.path,
        prefix: ["/usr/bin/env", "LD_PRELOAD=\(place.path)/count.so", "SYNCS=\(place.path)/\(setting)"])
      defer { host.signal(SIGKILL) }
      try host.awaitLine(containing: "it #")
      host.signal(SIGTERM)
      #expect(try host.awaitExit() == 0)
      syncs[setting] = place.text(setting).utf8.count
    }
    #expect(syncs["full", default: 0] > 50 && syncs["normal", default: 100] < 40, "\(syncs)")
  }
}

extension SettingRow: CustomTestStringConvertible {
  var testDescription: String { key }
}
