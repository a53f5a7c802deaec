internal import FoundationEssentials

/// Answers as values.
extension HostClient {
  /// Sends a request and reads its answer. Throws what the host refuses, in its words.
  package func ask<Value: Decodable>(
    _ type: Value.Type, _ method: String, _ path: String, query: [(name: String, value: String?)] = [],
    body: (any Encodable)? = nil, seconds: Int = 60
  ) throws(ClientFailure) -> Value {
    let bytes = try answer(method, path, query: query, body: body, seconds: seconds).body
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw notUnderstood()
    }
  }

  /// Gives an order that is answered by nothing.
  package func order(_ method: String, _ path: String) throws(ClientFailure) {
    guard try document(method, path).isEmpty else { throw notUnderstood() }
  }

  /// Sends a request; its answer as it came, which is JSON, or nothing.
  package func document(
    _ method: String, _ path: String, query: [(name: String, value: String?)] = [], body: (any Encodable)? = nil,
    seconds: Int = 60
  ) throws(ClientFailure) -> [UInt8] {
    let answer = try answer(method, path, query: query, body: body, seconds: seconds)
    // Every answer of the API is an object, but for the one that has no content.
    guard answer.status == 204 || (try? JSONDecoder().decode(AnyObject.self, from: Data(answer.body))) != nil else {
      throw notUnderstood()
    }
    return answer.body
  }

  /// What the host has answered if it did not refuse; nobody has looked into it yet.
  private func answer(
    _ method: String, _ path: String, query: [(name: String, value: String?)], body: (any Encodable)?, seconds: Int
  ) throws(ClientFailure) -> Answer {
    let answer = try send(
      method, path, query: query,
      body: try body.map { (value) throws(ClientFailure) in
        try HostClient.text(of: value)
      }, seconds: seconds)
    guard (200..<300).contains(answer.status) else {
      // A path that this version knows and that one does not.
      if answer.status == 404 || answer.status == 405, let other = otherVersion() { throw other }
      throw HostClient.refusal(answer.status, answer.body)
    }
    return answer
  }

  private struct AnyObject: Decodable {
    private enum CodingKeys: CodingKey {}
    init(from decoder: any Decoder) throws { _ = try decoder.container(keyedBy: CodingKeys.self) }
  }

  private static func text(of value: any Encodable) throws(ClientFailure) -> String {
    do { return String(decoding: try JSONEncoder().encode(value), as: UTF8.self) } catch {
      throw ClientFailure(.failed, "the request cannot be written as JSON: \(error)")
    }
  }

  private struct Problem: Decodable { var detail: String? }
  private struct Version: Decodable { var version: String }

  static func refusal(_ status: Int, _ body: [UInt8]) -> ClientFailure {
    let problem = try? JSONDecoder().decode(Problem.self, from: Data(body))
    var message = problem?.detail ?? "the host answered with status \(status)"
    if status == 401 { message += "; give a token with --token or MOONDIAL_TOKEN" }
    return ClientFailure(.refused(status: status), message)
  }

  private func notUnderstood() -> ClientFailure {
    otherVersion() ?? ClientFailure(.notUnderstood, "what answers at \(address) is no Moondial host")
  }

  /// A sentence, when the host is of another version.
  func otherVersion() -> ClientFailure? {
    guard let answer = try? send("GET", HostClient.path("status")), answer.status == 200,
      let host = try? JSONDecoder().decode(Version.self, from: Data(answer.body)), host.version != version
    else { return nil }
    return ClientFailure(
      .notUnderstood,
      "the host at \(address) is Moondial \(host.version) and this is \(version): use commands of the host's version")
  }
}
