import Testing

/// Who reaches the host over HTTP, whose effects are seen in `HostAPITests`; here only that mistakes are told. And what
/// the log shows.
extension SettingRow {
  private static let idle = "job 'it' { run = print }"
  private static let token = "tokens = { t = { hash = 'sha256:\(String(repeating: "0", count: 64))' } }"

  static let http: [SettingRow] = [
    SettingRow(
      key: "http.listen", value: "\"nonsense\"", script: idle, effect: .checked("http.listen must be \"HOST:PORT\"")),
    SettingRow(
      key: "http.hosts", value: "{ 'a b' }", script: idle, effect: .checked("http.hosts: \"a b\" is no name of a host")),
    SettingRow(
      key: "http.tokens.*.role", name: "t", value: "\"reed\"", more: "http = { \(token) }", script: idle,
      effect: .checked("http.tokens.t.role")),
    SettingRow(
      key: "http.tokens.*.hash", name: "t", value: "\"sha256:00\"",
      more: "http = { tokens = { t = { role = 'read' } } }", script: idle, effect: .checked("http.tokens.t.hash")),
    SettingRow(
      key: "http.tokens.*.secret", name: "t", value: "\"word\"", more: "http = { \(token) }", script: idle,
      effect: .checked("http.tokens.t")),
    SettingRow(
      key: "log_levels.*", name: "it", value: "\"error\"",
      script: "job 'it' { run_at_start = true, run = function() print('hidden line') log.error('shown line') end }",
      effect: .seen { _, host in
        try host.awaitLine(containing: "shown line")
        #expect(!host.text.contains("hidden line"))
      }),
  ]
}
