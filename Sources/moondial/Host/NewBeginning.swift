import Basics
import Glibc
import Hosting
import JobModel

/// A host that stepped down begins anew: the same process, for whoever watches over it, and nothing of what it was. It
/// then stands by for the host that has the store.
enum NewBeginning {
  /// The flag that tells it.
  private static let flag = "--begins-anew"
  /// Nanoseconds between two tries.
  private static let pause: Int64 = 1_000_000_000

  /// Makes a host. One that begins anew has run before: what keeps it from starting, such as a server that is away,
  /// will pass, and is waited for. Another one is refused with it.
  static func host(isNew: Bool, _ log: LogRenderer, _ make: () throws -> Host) throws -> Host {
    var said = ""
    let nothing = Monitor(())
    while true {
      do { return try make() } catch {
        guard isNew else { throw error }
        if "\(error)" != said {
          log.write(.error, "this host cannot stand by yet, and tries again each second: \(error)")
        }
        said = "\(error)"
      }
      // A signal ends the process meanwhile.
      _ = nothing.wait(until: monotonicNow() + pause) { _ -> Void? in nil }
    }
  }

  /// Becomes the program that it is, with the arguments that it was given. Returns only by throwing.
  static func begin(_ log: LogRenderer) throws {
    log.write(.warn, "this host begins anew, to stand by")
    StandardError.flush()
    let given = CommandLine.arguments
    var arguments = unsafe (given + (given.contains(flag) ? [] : [flag])).map { unsafe strdup($0) } + [nil]
    // Safe: a list of terminated texts that ends in nil; the call returns only when it failed.
    unsafe execv("/proc/self/exe", &arguments)
    throw CommandFailure("this host could not begin anew (error \(errno)): start it again")
  }
}
