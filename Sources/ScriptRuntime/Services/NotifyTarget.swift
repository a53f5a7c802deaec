package import Lua

/// A target of `notify`, as `moondial.lua` has it: mail, an HTTP address, or both.
///
///     notify = {
///       ops = { mail = { server = "smtp.example.org:587", from = "moon@example.org", to = "ops@example.org" } },
///       chat = { http = "https://hooks.example.org/services/{secret}", secret = "chat-hook" },
///     }
package struct NotifyTarget: Sendable, Equatable {
  package struct Web: Sendable, Equatable {
    /// `{secret}` in it stands for the secret.
    package var url: String
    package var headers: [String: String] = [:]
    package var verifies = true
    /// The path of a file with certificates to trust; relative ones begin at the directory of `moondial.lua`.
    package var authorities: String?
  }

  /// Fields of `mail.send`, as they were written.
  package var mail: LuaTable?
  package var web: Web?
  /// The name of the secret that is the password of the mail server, or the token of the address.
  package var secret: String?

  /// What `mail` of a target may have.
  package static let mailFields = [
    "server", "security", "verify", "ca", "user", "from", "to", "cc", "bcc", "reply_to", "headers",
  ]
  package static let webFields = ["url", "headers", "verify", "ca"]

  package init() {}

  /// - Throws: one sentence with the path of what is wrong.
  package mutating func read(mail reader: LuaReader) throws(LuaError) {
    try reader.allow(Self.mailFields)
    for name in ["server", "from"] {
      guard let field = reader.field(name) else { throw reader.error("\(name) is missing") }
      if try field.string().isEmpty { throw field.error("it is empty") }
    }
    guard reader.field("to") != nil else { throw reader.error("to is missing: write who is to get it") }
    mail = try reader.table()
  }

  /// - Throws: one sentence with the path of what is wrong. The address is not shown: it may be a secret.
  package mutating func read(http reader: LuaReader) throws(LuaError) {
    var web: Web
    if case .string(let url) = reader.value {
      web = Web(url: url.text)
    } else {
      try reader.allow(Self.webFields)
      guard let url = reader.field("url") else { throw reader.error("url is missing") }
      web = Web(url: try url.string())
      if let verify = reader.field("verify") { web.verifies = try verify.bool() }
      if let authorities = reader.field("ca") { web.authorities = try authorities.string() }
      if let headers = reader.field("headers") {
        for (name, _) in try headers.table().fields {
          guard let value = headers.field(name) else { continue }
          web.headers[name] = try value.string()
        }
      }
    }
    guard web.url.hasPrefix("https://") || web.url.hasPrefix("http://") else {
      throw reader.error("expected an address that begins with https:// or http://")
    }
    self.web = web
  }
}
