package import HTTPTypes

/// All operations, and how a request finds its own.
package struct RouteTable: Sendable {
  package let routes: [Route]
  private let shapes: [[Part]]

  private enum Part: Sendable, Equatable {
    case word(String)
    case name(String)
  }

  package enum Match: Sendable {
    case route(Route, [String: String])
    /// The path is there, with other methods.
    case otherMethods([HTTPRequest.Method])
    case nothing
  }

  package init(_ routes: [Route]) {
    self.routes = routes
    shapes = routes.map { route in
      route.path.split(separator: "/").map { part in
        part.hasPrefix("{") ? .name(String(part.dropFirst().dropLast())) : .word(String(part))
      }
    }
    precondition(
      Set(routes.map { "\($0.method) \($0.path)" }).count == routes.count
        && Set(routes.map(\.name)).count == routes.count, "two routes are the same")
  }

  /// The route of a request. A path that is a word comes before one that is a name; HEAD is a GET without its body.
  package func match(_ method: HTTPRequest.Method, _ segments: [String]) -> Match {
    let wanted = method == .head ? .get : method
    var best: (route: Route, arguments: [String: String])?
    var methods: [HTTPRequest.Method] = []
    for (index, shape) in shapes.enumerated() {
      guard let arguments = RouteTable.arguments(segments, shape) else { continue }
      let route = routes[index]
      methods += route.method == .get ? [.get, .head] : [route.method]
      guard route.method == wanted else { continue }
      if best == nil || arguments.count < best!.arguments.count { best = (route, arguments) }
    }
    if let best { return .route(best.route, best.arguments) }
    return methods.isEmpty ? .nothing : .otherMethods(methods)
  }

  private static func arguments(_ segments: [String], _ shape: [Part]) -> [String: String]? {
    guard segments.count == shape.count else { return nil }
    var arguments: [String: String] = [:]
    for (segment, part) in zip(segments, shape) {
      switch part {
      case .word(let word): guard word == segment else { return nil }
      case .name(let name): arguments[name] = segment
      }
    }
    return arguments
  }
}
