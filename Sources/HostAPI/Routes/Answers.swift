internal import Chronology
package import Hosting
internal import JobModel

/// Types whose form their decoding does not show.
extension HostTime: SchemaType {
  package static var schema: Schema { .string(format: "date-time") }
  package static var example: HostTime { HostTime(.epoch, in: .utc) }
}
extension JSONDocument: SchemaType {
  package static var schema: Schema { .any }
  package static var example: JSONDocument { JSONDocument("null") }
}
extension JournalPosition: SchemaType {
  package static var schema: Schema { .string() }
  package static var example: JournalPosition { JournalPosition(host: HostIdentity("0"), number: 0) }
}

/// Bodies that say less than the request that they become, since the path says the rest.
struct RunBody: Codable, Sendable {
  var params: JSONDocument?
}
struct ReasonBody: Codable, Sendable {
  var reason: String?
}
/// Of orders that take nothing.
struct EmptyBody: Codable, Sendable {}

struct GenerationsAnswer: Codable, Sendable {
  var items: [GenerationAnswer]
}

struct HealthAnswer: Codable, Sendable {
  var status: String
}

struct LoginLinkAnswer: Codable, Sendable {
  var url: String
  var expiresIn: Int
  enum CodingKeys: String, CodingKey {
    case url
    case expiresIn = "expires_in_seconds"
  }
}
