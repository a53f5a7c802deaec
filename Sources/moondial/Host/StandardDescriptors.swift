import Glibc

/// Descriptors 0 to 2 are what everybody takes for input, output and errors.
enum StandardDescriptors {
  /// Opens /dev/null for those that the process was started without (`moondial run 2>&-`). First of all: the next file
  /// that is opened gets the lowest free number, and then the log would be written into the store's lock file.
  static func makeWhole() {
    for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) == -1 {
      // Lower ones are open by now, so each is given its own number. The root directory where there is no /dev/null: a
      // file that takes nothing.
      // Safe: the paths are passed as C strings for the call only.
      if unsafe open("/dev/null", O_RDWR) < 0 { _ = unsafe open("/", O_RDONLY) }
    }
  }
}
