internal import NIOCore

/// How much of the host a client may take. Plain values; the defaults are those of a host.
package struct ServerLimits: Sendable {
  /// Bytes of a request's head: all fields, and the target. (Beyond: 431.)
  package var headBytes = 16 << 10
  /// Fields of a request's head.
  package var headFields = 100
  /// Bytes of a request's body. (Beyond: 413.)
  package var bodyBytes = 1 << 20
  /// Nanoseconds from a connection's beginning to its first whole head.
  package var headTime: Int64 = 10_000_000_000
  /// Nanoseconds from a head to the end of its body.
  package var bodyTime: Int64 = 20_000_000_000
  /// Nanoseconds that a connection may be kept without a request.
  package var idleTime: Int64 = 60_000_000_000
  /// Nanoseconds that a client may take to read nothing of an answer.
  package var stallTime: Int64 = 20_000_000_000
  /// Nanoseconds that a client has to close after the last answer.
  package var lingerTime: Int64 = 2_000_000_000
  /// Connections over TCP at a time, and over the socket: one cannot use up the other.
  package var connections = 1_280
  /// Clients that read events at a time.
  package var streams = 1_024
  /// Requests that are being answered at a time. (Beyond: 429.)
  package var requests = 512
  /// Lists and other long answers that are made at a time, over TCP and over the socket: the others wait.
  package var longAnswers = 2
  /// Requests of one connection that may wait for their answers; who sends more at once is let go.
  package var pipelined = 128
  /// Nanoseconds between two signs of life on a stream of events that has none of its own.
  package var heartbeat: Int64 = 15_000_000_000

  package init() {}
}

extension TimeAmount {
  /// The amount in the unit of all spans here.
  init(_ nanoseconds: Int64) { self = .nanoseconds(nanoseconds) }
}
