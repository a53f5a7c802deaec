import Glibc
import Hosting
import JobModel

/// A host that stepped down begins anew: the same process, for whoever watches over it, and nothing of what it was. It
/// then stands by for the host that has the store.
enum NewBeginning {
  /// Becomes the program that it is, with the arguments that it was given. Returns only by throwing.
  static func begin(_ log: LogRenderer) throws {
    log.write(.warn, "this host begins anew, to stand by")
    StandardError.flush()
    var arguments = unsafe CommandLine.arguments.map { unsafe strdup($0) } + [nil]
    // Safe: a list of terminated texts that ends in nil; the call returns only when it failed.
    unsafe execv("/proc/self/exe", &arguments)
    throw CommandFailure("this host could not begin anew (error \(errno)): start it again")
  }
}
