internal import Hosting

/// The hosts that share a store.
extension Routes {
  static func nodes(_ context: RouteContext) -> [Route] {
    let control = context.control
    return [
      .get("/api/v1/nodes", "nodes", "The hosts that share a store with this one, and this one") { _ in
        try await control.nodes()
      },
      .post(
        "/api/v1/nodes/{node}/drain", "drainNode", "Have a host give up what it leads, and lead nothing more",
        [nodeName], body: .json(DrainRequest.self)
      ) { call in
        try await control.drain(call.path("node"), try call.decode(DrainRequest.self), by: call.caller)
      },
      .post(
        "/api/v1/nodes/{node}/resume", "resumeNode", "Let a host that was drained lead again", [nodeName],
        body: .nothing
      ) { call in
        try await control.undrain(call.path("node"), by: call.caller)
      },
    ]
  }

  private static let nodeName = Route.Parameter("node", in: .path, .string(length: 1...255), "what the host is called")
}
