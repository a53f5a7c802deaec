internal import Basics
internal import Glibc
internal import JobModel
internal import ProcessFrames

/// The worker's end of the socket to its host: messages out from any thread, messages in on the main thread, and who
/// waits for an answer.
///
/// There is one run at a time; what is said is of that one. A host that is gone ends the process.
///
/// Threading: `receive` and `take` on the main thread, the others on any.
final class WorkerLink: Sendable {
  private struct State: Sendable {
    var next: UInt64 = 0
    var run: UInt64 = 0
    /// Bytes of the longest frame that the host takes.
    var frameMost = Frame.answerMost
    var waiting: [UInt64: @Sendable (ServiceAnswer) -> Void] = [:]
    var subscriptions: [UInt64: @Sendable (EventData?) -> Void] = [:]
  }
  private let socket: Int32
  private let state = Monitor(State())
  /// Held while a frame is written, so that frames do not mix.
  private let writing = Monitor(())
  private let decoder = Monitor(FrameDecoder(limit: Frame.largest))

  init(socket: Int32) { self.socket = socket }

  /// The host's number of the run that is on.
  var run: UInt64 { state.withLock { $0.run } }

  /// A run begins, whose questions have at most so many bytes.
  func begin(_ run: UInt64, frameMost: Int) {
    state.withLock { state in
      state.run = run
      state.frameMost = frameMost
    }
  }

  // MARK: Out

  func send(_ message: WorkerMessage) { send(frame: message.frame) }

  private func send(frame: [UInt8]) {
    writing.withLock { _ in
      var rest = frame[...]
      while !rest.isEmpty {
        // Safe: the call reads inside the slice, which outlives it.
        let count = unsafe rest.withUnsafeBytes {
          unsafe Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { _exit(0) }
      }
    }
  }

  /// Asks the host; `completion` comes on the main thread, once; inside the call where the host would not take the
  /// question.
  func call(_ question: ServiceCall, completion: @escaping @Sendable (ServiceAnswer) -> Void) {
    let (number, run, most) = state.withLock { state in
      state.next += 1
      state.waiting[state.next] = completion
      return (state.next, state.run, state.frameMost)
    }
    let frame = WorkerMessage.call(number, of: run, question).frame
    guard frame.count <= most else {
      let refusal = "a process may ask for \(most) bytes at a time, and this has \(frame.count): pass less"
      return take(number, .refused(HostRefusal(refusal)))
    }
    send(frame: frame)
  }

  /// Asks the host and waits for its answer. Not on the main thread.
  func ask(_ question: ServiceCall) -> ServiceAnswer {
    // Without a deadline it waits until there is an answer.
    ask(question, until: .max) ?? .done
  }

  /// The same for so long, by the monotonic clock; nil: there was no answer.
  func ask(_ question: ServiceCall, until deadline: Int64) -> ServiceAnswer? {
    let answer = Monitor<ServiceAnswer?>(nil)
    call(question) { given in answer.change { $0 = given } }
    return answer.wait(until: deadline) { $0 }
  }

  /// `receive` is called for each event of that name until the subscription is cancelled.
  func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    let (number, run) = state.withLock { state in
      state.next += 1
      state.subscriptions[state.next] = receive
      return (state.next, state.run)
    }
    send(.call(number, of: run, .subscribe(name)))
    return EventSubscription { [self] in
      let wasOpen = state.withLock { $0.subscriptions.removeValue(forKey: number) != nil }
      if wasOpen { send(.unsubscribe(number)) }
    }
  }

  // MARK: In

  /// The next message. Blocks; a host that is gone, or says what nobody understands, ends the process.
  func receive() -> HostMessage {
    decoder.withLock { decoder in
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      while true {
        do {
          if let body = try decoder.next() { return try HostMessage(body) }
        } catch {
          send(.failed("what the host said cannot be read: \(error)"))
          _exit(1)
        }
        // Safe: the call writes inside the array, which outlives it.
        let count = unsafe read(socket, &buffer, buffer.count)
        if count > 0 {
          decoder.add(buffer[..<count])
        } else if count == 0 || errno != EINTR {
          _exit(0)
        }
      }
    }
  }

  /// Hands an answer to whoever waits for it.
  func take(_ number: UInt64, _ answer: ServiceAnswer) {
    state.withLock { $0.waiting.removeValue(forKey: number) }?(answer)
  }

  func take(_ number: UInt64, event data: JSONText?) {
    state.withLock { $0.subscriptions[number] }?(data.map { EventData($0) })
  }
}
