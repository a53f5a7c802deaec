internal import Glibc

/// Plain POSIX threads for tests of code that promises to work on them: with the stack that a worker has.
package enum Threads {
  /// Runs `body` on `count` threads at once, and returns when all have.
  package static func run(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    var attributes = pthread_attr_t()
    // Safe here and below: the attributes live across the calls that read and write them.
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, 2 << 20)
    var threads: [pthread_t] = []
    for number in 0..<count {
      var thread = pthread_t()
      let work = Work { body(number) }
      // Safe: `thread` lives across the call; the new thread takes over the reference that `passRetained` made.
      let result = unsafe pthread_create(&thread, &attributes, runWork, Unmanaged.passRetained(work).toOpaque())
      precondition(result == 0, "the system refuses another thread (error \(result))")
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
  }

  fileprivate final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
}

private func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context = unsafe context else { return nil }
  // Safe: balances `passRetained` of the creator, exactly once.
  unsafe Unmanaged<Threads.Work>.fromOpaque(context).takeRetainedValue().body()
  return nil
}
