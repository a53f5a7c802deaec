import Glibc
import Testing

/// The settings of executors whose workers are processes: what a worker sees of each.
extension SettingRow {
  private static let processes =
    "executors = { default = { type = 'process' } }, grants = { ['*'] = { fs = { '/proc:r' } } }"

  /// A job that prints what `body`, an expression over the text of a file of /proc/self, gives.
  private static func printing(_ file: String, _ body: String) -> String {
    "job 'it' { run_at_start = true, run = function(ctx) local text = assert(fs.read('/proc/self/\(file)')) "
      + "print(\(body)) end }"
  }

  private static let isRoot = geteuid() == 0

  static let processWorkers: [SettingRow] = [
    SettingRow(
      key: "executors.*.memory", value: "\"256MB\"", more: processes,
      script: printing("limits", "'data ' .. tostring(text:match('Max data size +(%d+)') ~= nil)"),
      effect: .log("data true")),
    SettingRow(
      key: "executors.*.cpu_time", value: "\"7s\"", more: processes,
      script: printing("limits", "'cpu ' .. tostring(tonumber(text:match('Max cpu time +(%d+)')) < 60)"),
      effect: .log("cpu true")),
    SettingRow(
      key: "executors.*.files", value: "77", more: processes,
      script: printing("limits", "'files ' .. text:match('Max open files +(%d+)')"), effect: .log("files 77")),
    SettingRow(
      key: "executors.*.processes", value: "777", more: processes,
      script: printing("limits", "'processes ' .. text:match('Max processes +(%d+)')"), effect: .log("processes 777")),
    SettingRow(
      key: "executors.*.nice", value: "7", more: processes,
      script: printing("stat", "'nice ' .. text:match('%) . .*'):gsub('^%) ', ''):match(('%S+ '):rep(16) .. '(%S+)')"),
      effect: .log("nice \(min(19, getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) + 7))")),
    SettingRow(
      key: "executors.*.recycle_after", value: "1", more: processes,
      script: "job 'it' { every = '100ms', run = function(ctx) print('pid ' .. ctx.process) end }",
      effect: .seen { _, host in
        let first = try host.awaitLine(containing: "pid ").split(separator: " ").last
        let second = try host.awaitLine(containing: "pid ").split(separator: " ").last
        #expect(first != second)
      }),
    SettingRow(
      key: "executors.*.user", value: "\"nobody\"", more: processes,
      script: printing("status", "'uid ' .. text:match('Uid:%s+(%d+)')"),
      effect: isRoot ? .log("uid 65534") : .refused("are for a host that is root")),
    SettingRow(
      key: "executors.*.group", value: "\"nogroup\"", more: processes,
      script: printing("status", "'gid ' .. text:match('Gid:%s+(%d+)')"),
      effect: isRoot ? .log("gid 65534") : .refused("are for a host that is root")),
    SettingRow(
      key: "executors.*.namespaces", value: "true", more: processes,
      script: printing("net/dev", "'only lo: ' .. tostring(select(2, text:gsub('\\n *[%w]+:', '')) == 1)"),
      effect: .seen { _, host in
        // Not every kernel gives a user namespaces; then the run says so.
        let line = try host.awaitLine { $0.contains("only lo: ") || $0.contains("the kernel gives this user none") }
        #expect(!line.hasSuffix("false"))
      }),
    SettingRow(
      key: "executors.*.libraries", value: "\"all\"", more: processes,
      script: printing(
        "status", "'has ' .. tostring(io.popen ~= nil and string.dump ~= nil and package.cpath ~= nil)"),
      effect: .log("has true")),
  ]
}
