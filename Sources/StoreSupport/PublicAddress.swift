package import JobModel

/// What of a store's address may be shown: nothing that could be part of a password, also when it was written without
/// the percent signs that it needs.
///
///     PublicAddress(StoreAddress("postgres://ann:pw@db1/jobs?sslmode=require&password=x")).text
///     // postgres://ann@db1/jobs?sslmode=require
///
/// The last `@` ends a login. One that holds a `/` or a `?` may end earlier for the library that reads the address, and
/// what looks like a login may be none: then little is shown (`postgres://…@db1/jobs`), and nothing of what the library
/// says (``words(_:)``). Of options, those from the first secret on are left out.
///
/// It works by bytes: what belongs together for a reader (a colon and an accent) does not for a server.
package struct PublicAddress: Sendable {
  /// `postgres`.
  package let scheme: String
  /// Empty: none is named.
  package let user: String
  /// Hosts and path: `db1:5432/jobs`.
  package let place: String
  /// Without secrets: `sslmode=require`.
  package let options: [String]
  /// Whether what a library says about the address cannot hold parts of a password.
  package let isPlain: Bool

  package init(_ address: StoreAddress) {
    let bytes = Array(address.text.utf8)
    let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
    scheme = Self.text(bytes[..<colon])
    let rest = bytes[colon...].dropFirst()
    guard rest.starts(with: "//".utf8) else {
      (user, place, options, isPlain) = ("", "", [], false)
      return
    }
    let body = rest.dropFirst(2)
    let parts = Parts(body)
    user = Self.text(parts.user)
    let question = parts.rest.firstIndex(of: UInt8(ascii: "?")) ?? parts.rest.endIndex
    place = (parts.hides ? "…" + (parts.rest.isEmpty ? "" : "@") : "") + Self.text(parts.rest[..<question])
    options = parts.rest[question...].dropFirst().split(separator: UInt8(ascii: "&")).map(Self.text)
    isPlain = parts.isPlain
  }

  /// `postgres://ann@db1/jobs?sslmode=require`.
  package var text: String {
    scheme + "://" + (user.isEmpty ? "" : user + "@") + place
      + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
  }

  /// What a library says about the address, in one line; or, when parts of a password could be in it, what to do.
  package func words(_ said: String) -> String {
    guard isPlain else {
      return "what is wrong is left out, for it could show a password: write : / ? @ & % in one as "
        + "%3A %2F %3F %40 %26 %25"
    }
    return said.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.joined(separator: "; ")
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

  // MARK: Its parts

  private struct Parts {
    var user: ArraySlice<UInt8> = []
    /// What stands behind the login, without options from the first secret on.
    var rest: ArraySlice<UInt8>
    /// Whether something before it is not shown at all.
    var hides = false
    var isPlain = true

    init(_ body: ArraySlice<UInt8>) {
      guard let at = body.lastIndex(of: UInt8(ascii: "@")), body[..<at].contains(UInt8(ascii: ":")) else {
        // Without a colon before an @ there is no password but one among the options.
        let secret = PublicAddress.secret(in: body)
        rest = body[..<(secret ?? body.endIndex)]
        if let at = rest.lastIndex(of: UInt8(ascii: "@")), !PublicAddress.endsEarly(rest[..<at]) {
          user = rest[..<at]
          rest = rest[rest.index(after: at)...]
        }
        isPlain = secret.map { PublicAddress.isWhole(body[$0...]) } ?? true
        return
      }
      let login = body[..<at]
      let behind = body[body.index(after: at)...]
      guard !PublicAddress.endsEarly(login) else {
        hides = true
        isPlain = false
        rest = PublicAddress.secret(in: body) == nil ? behind : []
        return
      }
      let secret = PublicAddress.secret(in: behind)
      rest = behind[..<(secret ?? behind.endIndex)]
      user = login.prefix { $0 != UInt8(ascii: ":") }
      let password = login.dropFirst(user.count + 1)
      isPlain =
        !password.contains(UInt8(ascii: "@")) && !password.contains(UInt8(ascii: ":")) && PublicAddress.isEncoded(login)
        && (secret.map { PublicAddress.isWhole(behind[$0...]) } ?? true)
    }
  }

  /// Whether a library may take only a part of it for a login.
  private static func endsEarly(_ login: ArraySlice<UInt8>) -> Bool {
    login.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }
  }

  /// Where the first option begins, with its `?` or `&`, whose value may be a secret.
  private static func secret(in bytes: ArraySlice<UInt8>) -> Int? {
    guard let question = bytes.firstIndex(of: UInt8(ascii: "?")) else { return nil }
    return bytes[question...].indices.first { index in
      guard bytes[index] == UInt8(ascii: "?") || bytes[index] == UInt8(ascii: "&") else { return false }
      let name = text(bytes[bytes.index(after: index)...].prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "&") })
      let small = name.lowercased()
      return ["passw", "pwd", "secret", "token", "authmechanismproperties", "%"].contains { small.contains($0) }
    }
  }

  /// Whether a secret option is the last one, and is read as it stands.
  private static func isWhole(_ option: ArraySlice<UInt8>) -> Bool {
    let value = option.dropFirst().drop { $0 != UInt8(ascii: "=") }.dropFirst()
    let signs: [UInt8] = [UInt8(ascii: "&"), UInt8(ascii: "?"), UInt8(ascii: "@")]
    return !option.dropFirst().contains { signs.contains($0) } && !value.contains(UInt8(ascii: "="))
      && isEncoded(option)
  }

  /// Whether each percent sign begins a byte that is not zero.
  private static func isEncoded(_ bytes: ArraySlice<UInt8>) -> Bool {
    bytes.indices.allSatisfy { index in
      guard bytes[index] == UInt8(ascii: "%") else { return true }
      let digits = bytes[bytes.index(after: index)...].prefix(2)
      return digits.count == 2 && UInt8(text(digits), radix: 16).map { $0 != 0 } ?? false
        && !digits.contains(UInt8(ascii: "+"))
    }
  }
}
