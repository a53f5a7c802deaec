internal import FileWatching
package import Glibc

/// A process that outlives the host by a moment, to kill what the host's children have started.
///
/// The kernel kills the children themselves when the host dies, even by SIGKILL (`linux_spawn`), but not their
/// children: `sh -c "sleep 1000; true"` would leave a `sleep` behind. So a small shell is told through a pipe which
/// process groups there are; when the pipe's other end is gone, and so is the host, it kills those that are left. It is
/// a shell, and not a copy of this process, because that would hold on to this one's memory.
///
/// A number is struck out before the child is waited for, and until then belongs to no other group. Where there is no
/// shell, or no process to be had, children's children may outlive a host that is killed.
///
/// Threading: one thread, the one that starts children.
package final class ChildKeeper {
  package let process: pid_t
  private(set) var input: Int32

  private static let script = """
    trap "" HUP INT TERM
    exec > /dev/null 2>&1
    groups=" "
    while read -r sign number; do
      case "$sign$groups" in
        +*) groups="$groups$number " ;;
        -*" $number "*) groups="${groups%% "$number" *} ${groups#* "$number" }" ;;
      esac
    done
    for number in $groups; do kill -s KILL -- "-$number"; done
    """

  package init?() {
    // The kernel kills everything in a PID namespace whose first process ends.
    guard getpid() != 1 else { return nil }
    let command = ChildCommand(
      program: Array("/bin/sh".utf8), arguments: ["moondial-keeper", "-c", Self.script].map { Array($0.utf8) },
      environment: [], directory: [PlainPath.slash], input: [])
    guard case .success(let spawned) = ProcessCalls.spawn(command, diesWithHost: false) else { return nil }
    process = spawned.process
    input = spawned.input
    for descriptor in [spawned.exitDescriptor, spawned.output, spawned.errors] where descriptor >= 0 {
      close(descriptor)
    }
  }

  /// From now on the group ends with the host. (A child that is started with this keeper says so itself.)
  package func keep(_ group: pid_t) { tell("+ \(group)\n") }

  /// The group is over, or on its own.
  package func forget(_ group: pid_t) { tell("- \(group)\n") }

  /// Ends it, when no group is left to it.
  package func end() {
    guard input >= 0 else { return }
    close(input)
    input = -1
    ProcessCalls.bury(process)
  }

  deinit { if input >= 0 { close(input) } }

  /// A shell that is gone or stopped is done without: this thread has SIGPIPE blocked, and the pipe does not block.
  private func tell(_ line: String) {
    guard input >= 0 else { return }
    _ = ProcessCalls.write(input, Array(line.utf8)[...])
  }
}
