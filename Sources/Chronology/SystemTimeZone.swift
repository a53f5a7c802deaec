extension TimeZoneDatabase {
  /// The name of the machine's own zone: what `/etc/localtime` links to, else the line in `/etc/timezone`; `nil` when
  /// neither says. (`TZ` in the environment comes before both; the executable looks there.)
  package static func systemZoneName(
    localtime: String = "/etc/localtime", timezone: String = "/etc/timezone"
  ) -> String? {
    if let target = FileBytes.linkTarget(localtime), let name = zoneName(inPath: target) { return name }
    guard let bytes = FileBytes.read(timezone, limit: 4096) else { return nil }
    let line = bytes.prefix { $0 > 32 }
    return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
  }

  /// `Europe/Berlin` in `/usr/share/zoneinfo/Europe/Berlin` or `../usr/share/zoneinfo/posix/Europe/Berlin`.
  private static func zoneName(inPath path: String) -> String? {
    let parts = path.split(separator: "/")
    guard let root = parts.lastIndex(of: "zoneinfo") else { return nil }
    let name = parts[(root + 1)...].drop { $0 == "posix" || $0 == "right" }
    return name.isEmpty ? nil : name.joined(separator: "/")
  }
}
