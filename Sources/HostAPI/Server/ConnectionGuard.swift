internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1

/// Holds one connection to ``ServerLimits``: a client that is slow, silent, gone or wrong is let go.
///
/// It stands between the parser and the tasks that answer, on the event loop's thread. Each wait has one timer; a
/// connection that has none waits for the host's answer.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let limits: ServerLimits
  /// Requests whose answers have not ended.
  private var requests = 0
  private var isBodyOpen = false
  private var isAnswerOpen = false
  private var isStream = false
  private var closesAfterAnswer = false
  /// The last answer is written: what comes in is dropped, and what others want to write as well.
  private var isEnding = false
  private var timer: Scheduled<Void>?
  private var stall: Scheduled<Void>?

  init(_ limits: ServerLimits) { self.limits = limits }

  // MARK: Life

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { arm(limits.headTime, context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    arm(limits.headTime, context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    disarm()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { disarm() }

  // MARK: In

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isEnding else { return }
    switch unwrapInboundIn(data) {
    case .head:
      requests += 1
      // They would be answered one after the other before anybody else is.
      guard requests <= limits.pipelined else { return context.close(promise: nil) }
      isBodyOpen = true
      arm(limits.bodyTime, context)
    case .body: break
    case .end:
      isBodyOpen = false
      if requests > 0 { disarmTimer() } else { arm(limits.idleTime, context) }
    }
    context.fireChannelRead(data)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // Who closes its side while it is answered still reads; but nobody else ends a stream.
    if let event = event as? ChannelEvent, event == .inputClosed, isStream || isEnding {
      context.close(promise: nil)
      return
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard !isEnding, !isAnswerOpen else { return context.close(promise: nil) }
    if let refusal = ProblemDetails(parserError: error) {
      end(with: refusal, context)
    } else {
      context.close(promise: nil)
    }
  }

  // MARK: Out

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard !isEnding else {
      promise?.fail(ChannelError.outputClosed)
      return
    }
    switch unwrapOutboundIn(data) {
    case .head(let head) where head.status.code >= 200:
      isAnswerOpen = true
      isStream = head.headerFields[.contentType]?.hasPrefix("text/event-stream") == true
      closesAfterAnswer = head.headerFields[.connection] == "close"
    case .head, .body: break
    case .end:
      isAnswerOpen = false
      isStream = false
      requests -= 1
      if closesAfterAnswer {
        context.writeAndFlush(data, promise: promise)
        return linger(context)
      }
      if requests == 0, !isBodyOpen { arm(limits.idleTime, context) }
    }
    context.write(data, promise: promise)
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stall?.cancel()
    stall = nil
    if !context.channel.isWritable {
      stall = schedule(limits.stallTime, context) { $1.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }

  // MARK: Ends

  /// Writes one last answer of its own, and closes.
  private func end(with problem: ProblemDetails, _ context: ChannelHandlerContext) {
    let response = problem.closing
    context.write(wrapOutboundOut(.head(response.head)), promise: nil)
    context.write(wrapOutboundOut(.body(response.body)), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    linger(context)
  }

  /// Lets the client read what was written: a close with bytes unread would take the answer back.
  private func linger(_ context: ChannelHandlerContext) {
    isEnding = true
    context.close(mode: .output, promise: nil)
    disarmTimer()
    timer = schedule(limits.lingerTime, context) { $1.close(promise: nil) }
  }

  // MARK: Timers

  private func arm(_ span: Int64, _ context: ChannelHandlerContext) {
    disarmTimer()
    timer = schedule(span, context) { connection, context in connection.timePassed(context) }
  }

  private func timePassed(_ context: ChannelHandlerContext) {
    guard isBodyOpen, !isAnswerOpen else { return context.close(promise: nil) }
    end(
      with: ProblemDetails(
        status: .requestTimeout, title: "Request Timeout",
        detail: "the body of the request did not end within \(limits.bodyTime / 1_000_000_000) s"), context)
  }

  private func schedule(
    _ span: Int64, _ context: ChannelHandlerContext,
    _ body: @escaping (ConnectionGuard, ChannelHandlerContext) -> Void
  ) -> Scheduled<Void> {
    context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(span)) { [self] in
      guard context.channel.isActive else { return }
      body(self, context)
    }
  }

  private func disarmTimer() {
    timer?.cancel()
    timer = nil
  }

  private func disarm() {
    disarmTimer()
    stall?.cancel()
    stall = nil
  }
}

/// Its events come on one thread; nobody else has it.
@available(*, unavailable)
extension ConnectionGuard: Sendable {}

extension ProblemDetails {
  /// What is said of a request that cannot be parsed; nil for what is not the client's doing.
  fileprivate init?(parserError error: any Error) {
    switch error {
    case HTTPParserError.headerOverflow:
      self.init(
        status: .requestHeaderFieldsTooLarge, title: "Request Header Fields Too Large",
        detail: "the head of the request is too large: send at most 16 KB, and at most 100 fields")
    case is HTTPParserError, is HTTP1TypeConversionError:
      self.init(
        status: .badRequest, title: "Bad Request", detail: "what was sent is no HTTP/1.1 request: \(error)")
    default: return nil
    }
  }
}
