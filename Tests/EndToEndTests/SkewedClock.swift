import Foundation
import Testing

extension Place {
  /// A library that sets the wall clock of the process that it is loaded into, and its timers by that clock.
  func skewedClock(seconds: Int) throws -> String {
    let source = """
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <sys/timerfd.h>
      #include <time.h>
      int clock_gettime(clockid_t clock, struct timespec *time) {
        static int (*real)(clockid_t, struct timespec *);
        if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(clock, time);
        if (clock == CLOCK_REALTIME) time->tv_sec += \(seconds);
        return result;
      }
      int timerfd_settime(int timer, int flags, const struct itimerspec *value, struct itimerspec *former) {
        static int (*real)(int, int, const struct itimerspec *, struct itimerspec *);
        if (!real) real = (int (*)(int, int, const struct itimerspec *, struct itimerspec *))dlsym(RTLD_NEXT, "timerfd_settime");
        struct itimerspec own = *value;
        if (flags & TFD_TIMER_ABSTIME && (own.it_value.tv_sec || own.it_value.tv_nsec)) {
          own.it_value.tv_sec -= \(seconds);
          if (own.it_value.tv_sec < 0) own.it_value = (struct timespec){0, 1};
        }
        return real(timer, flags, &own, former);
      }
      """
    try source.write(toFile: path + "/skew\(seconds).c", atomically: false, encoding: .utf8)
    let compiler = try HostProcess(
      program: ["/usr/bin/env"], ["clang", "-shared", "-fPIC", "-o", "skew\(seconds).so", "skew\(seconds).c", "-ldl"],
      in: path)
    try #require(try compiler.awaitExit() == 0, "\(compiler.text)")
    return path + "/skew\(seconds).so"
  }
}
